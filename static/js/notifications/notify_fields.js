/** Who is told of what: each target with what it may be told of. */
import { toTargets } from "../base/router.js";
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { mayGovern } from "../model/access.js";
import { isChosen } from "../model/ends.js";
import { listTargets } from "../server/notifications_api.js";
import { usePolling } from "../server/polling.js";
import { session } from "../server/session.js";
import { OCCASIONS, occasionLabel, typeLabel } from "../words/notifications.js";
import { phrase, t } from "../words/words.js";

/**
 * @typedef {import("../model/types.js").Target} Target
 * @typedef {import("../model/ends.js").Notify} Notify
 */

const NAME = "notify";
const ERROR_ID = "error-notify";

/**
 * @param {object} props
 * @param {Notify[]|null|undefined} props.notify
 * @param {boolean} props.isOpen the targets are asked for once somebody looks
 * @param {Record<string, string[]>} props.errors
 */
export function NotifyFields({ notify, isOpen, errors }) {
  const wrong = Object.entries(errors).flatMap(([field, said]) => (field === NAME || field.startsWith("notify.") ? said : []));
  return html`<fieldset class="ends__part">
    <legend>${t("ends.notify")}</legend>
    ${isOpen && html`<${Choices} notify=${notify ?? []} isWrong=${wrong.length > 0} />`}
    ${wrong.length > 0 && html`<p class="field__error" id=${ERROR_ID}>${wrong.join(" ")}</p>`}
  </fieldset>`;
}

/** What was chosen is shown whatever becomes of the targets' list, so that nothing is lost. */
function Choices({ notify, isWrong }) {
  const { value, problem } = usePolling(listTargets, [], () => null);
  const chosen = notify.filter(({ target }) => !value?.items.some(({ name }) => name === target));
  const targets = [...(value?.items ?? []), ...chosen.map(({ target }) => ({ name: target, isGone: Boolean(value) }))];
  if (problem && targets.length === 0) return html`<p class="muted">${problem.message}</p>`;
  if (value && targets.length === 0) return html`<${NoTargets} />`;
  return targets.map(
    (target, at) => html`<${TargetChoice} key=${target.name} target=${target} isOn=${isChosen(notify)}
      isWrong=${isWrong && at === 0} />`,
  );
}

function NoTargets() {
  const { who } = useStore(session);
  const here = html`<a href=${"#" + toTargets()}>${t("ends.no-targets.here")}</a>`;
  return html`<p class="muted">${mayGovern(who) ? phrase("ends.no-targets.add", { here }) : t("ends.no-targets")}</p>`;
}

/** @param {{target: Target & {isGone?: boolean}, isOn: (target: string, occasion: string) => boolean}} props */
function TargetChoice({ target: { name, type, address, isGone }, isOn, isWrong }) {
  const wrong = isWrong && { "aria-invalid": "true", "aria-describedby": ERROR_ID };
  return html`<div class="ends__target" role="group" aria-label=${t("ends.tell", { name })}>
    <p>
      <strong><bdi>${name}</bdi></strong>${" "}
      <span class="muted">${isGone ? t("ends.gone") : type && html`${typeLabel(type)}, <bdi>${address}</bdi>`}</span>
    </p>
    <div class="ends__checks">
      ${OCCASIONS.map(
        (occasion, at) => html`<label class="check" key=${occasion}>
          <input type="checkbox" name=${NAME} value=${JSON.stringify([name, occasion])}
            defaultChecked=${isOn(name, occasion)} ...${at === 0 && wrong} />
          <span>${occasionLabel(occasion)}</span>
        </label>`,
      )}
    </div>
  </div>`;
}

/** @param {HTMLFormElement} form @returns {[string, string][]} targets with the occasions that are chosen */
export const readChosen = (form) =>
  [...form.querySelectorAll(`[name="${NAME}"]:checked`)].map(({ value }) => JSON.parse(value));
