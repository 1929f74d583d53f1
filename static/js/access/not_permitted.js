/** What stands in place of a screen that takes more than one may. */
import { html } from "../base/ui.js";
import { Empty } from "../parts/empty.js";
import { t } from "../words/words.js";

/** @param {{what: "grants"|"tokens"|"targets"|"audit"}} props */
export const AdminsOnly = ({ what }) => html`<${Empty} title=${t("not-permitted")}>
  <p>${t(`admins-only.${what}`)}</p>
<//>`;
