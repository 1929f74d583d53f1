/** What a press of a button does. */
import { useRef, useState } from "../base/ui.js";
import { showProblem } from "./notice.js";

const NOBODYS = 401;

/**
 * One action at a time: a second press while the first is running does nothing.
 * @param {(...args: any[]) => Promise<void>} action
 * @returns {[(...args: any[]) => Promise<void>, boolean]} the action, and whether it is running
 */
export function useAction(action) {
  const [busy, setBusy] = useState(false);
  const running = useRef(false);
  const act = async (...args) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    try {
      await action(...args);
    } catch (problem) {
      // The banner says so, once for the whole page.
      if (problem.status !== NOBODYS) showProblem(problem);
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return [act, busy];
}
