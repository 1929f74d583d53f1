/** What stands in place of a screen that takes more than one may. */
import { html } from "../base/ui.js";
import { Empty } from "../parts/empty.js";

/** @param {{what: string}} props such as "the audit" */
export const AdminsOnly = ({ what }) => html`<${Empty} title="Not permitted">
  <p>You may not see ${what}: that takes the role admin in every group.</p>
<//>`;
