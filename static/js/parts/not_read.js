/** Why a part of a screen could not be read, and whether it is asked for again. */
import { html } from "../base/ui.js";
import { t } from "../words/words.js";

/** @param {{problem: import("../server/answers.js").Problem}} props */
export const NotRead = ({ problem }) => html`<p class="form-error" role="alert">
  ${problem.message}${!problem.final && " " + t("server.again")}
</p>`;
