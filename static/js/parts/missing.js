/** The screen for an address where there is nothing. */
import { toCommands, toRuns } from "../base/router.js";
import { html } from "../base/ui.js";
import { t } from "../words/words.js";
import { Button } from "./button.js";
import { Empty } from "./empty.js";
import { Heading } from "./heading.js";

/** @param {{what?: "command"|"run"|"page"}} props */
export function MissingScreen({ what = "page" }) {
  return html`
    <${Heading} title=${t("missing.title")} />
    <${Empty} title=${t(`missing.${what}`)}>
      <div class="empty__actions">
        <${Button} label=${t("missing.commands")} href=${"#" + toCommands()} />
        <${Button} label=${t("missing.runs")} href=${"#" + toRuns()} />
      </div>
    <//>
  `;
}
