/** An address where there is nothing. */
import { Empty } from "../parts/empty.js";
import { Heading } from "../parts/heading.js";
import { toCommands, toRuns } from "../router.js";
import { html } from "../ui.js";

const ABOUT = {
  command: "There is no command at this address. It may have been deleted.",
  run: "There is no run at this address. It goes when its command is deleted.",
  page: "There is no such page.",
};

/** @param {{what?: "command"|"run"|"page"}} props */
export function MissingScreen({ what = "page" }) {
  return html`
    <${Heading} title="Not found" />
    <${Empty} title=${ABOUT[what]}>
      <p class="empty__actions"><a class="button" href=${"#" + toCommands()}>All commands</a> <a class="button" href=${"#" + toRuns()}>All runs</a></p>
    <//>
  `;
}
