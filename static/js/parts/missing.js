/** The screen for an address where there is nothing. */
import { toCommands, toRuns } from "../base/router.js";
import { html } from "../base/ui.js";
import { Button } from "./button.js";
import { Empty } from "./empty.js";
import { Heading } from "./heading.js";

const ABOUT = {
  command: "There is no command at this address. It may have been deleted.",
  run: "There is no run at this address. It may have been deleted, alone or with its command.",
  page: "There is no such page.",
};

/** @param {{what?: "command"|"run"|"page"}} props */
export function MissingScreen({ what = "page" }) {
  return html`
    <${Heading} title="Not found" />
    <${Empty} title=${ABOUT[what]}>
      <div class="empty__actions">
        <${Button} label="All commands" href=${"#" + toCommands()} />
        <${Button} label="All runs" href=${"#" + toRuns()} />
      </div>
    <//>
  `;
}
