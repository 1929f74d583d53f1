/** What is wrong with a form as a whole, or with a field that it does not show. */
import { useStore } from "../base/store.js";
import { html } from "../base/ui.js";
import { session } from "../server/session.js";
import { t } from "../words/words.js";

const NOBODYS = 401;

/** @param {{problem: import("../server/answers.js").Problem|null, fields: string[]}} props fields: that it shows */
export function FormError({ problem, fields }) {
  const { kind } = useStore(session);
  if (!problem) return null;
  if (problem.status === NOBODYS && kind === "in") return null; // somebody signed in since
  const text = problem.status === NOBODYS ? t("session.not-saved") : textOf(problem, fields);
  return text && html`<p class="form-error" role="alert">${text}</p>`;
}

function textOf(problem, fields) {
  const others = Object.entries(problem.errors).filter(([field]) => !fields.includes(field));
  if (others.length > 0) return others.map(([field, messages]) => `${field}: ${messages.join(" ")}`).join(" ");
  return Object.keys(problem.errors).length === 0 && problem.message;
}
