/** Copying, and saying so. */
import { copyText } from "../base/clipboard.js";
import { t } from "../words/words.js";
import { showNotice } from "./notice.js";

/**
 * @param {string} text
 * @param {string} told what is said once it is copied
 */
export async function copyAndTell(text, told) {
  try {
    await copyText(text);
    showNotice(told);
  } catch {
    showNotice(t("problem.copy"), { isError: true });
  }
}
