/** Asks before a worker is removed, and says what becomes of its runs. */
import { html, useState } from "../base/ui.js";
import { useAction } from "../parts/action.js";
import { Confirm } from "../parts/dialog.js";
import { showNotice } from "../parts/notice.js";
import { removeWorker } from "../server/workers_api.js";
import { phrase, t } from "../words/words.js";

/** @param {{worker: import("../model/types.js").Worker, reload: () => void, onClose: () => void}} props */
export function RemoveDialog({ worker, reload, onClose }) {
  const [error, setError] = useState("");
  const name = html`<bdi>${worker.name}</bdi>`;
  const [remove, removing] = useAction(async () => {
    try {
      await removeWorker(worker.id);
      showNotice(phrase("workers.removed", { name }));
      onClose();
      reload();
    } catch (problem) {
      setError(problem.message);
    }
  });
  return html`<${Confirm} title=${phrase("workers.ask-remove", { name })} action=${t("workers.remove")} busy=${removing}
    error=${error} onConfirm=${remove} onClose=${onClose}>
    <p>${t("workers.remove.about")}</p>
    <p>${worker.running > 0 ? t("workers.remove.runs", { count: worker.running }) : t("workers.remove.idle")}</p>
  <//>`;
}
