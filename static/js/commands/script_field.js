/** The script of a command: a textarea, and the editor in its place once that is loaded. */
import { loading } from "../base/loading.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { t } from "../words/words.js";
import { checkOf } from "./checking.js";

const TYPING_PAUSE_MS = 1000;
const EXAMPLE = 'for i in 1 2 3; do\n  echo "line $i"\n  sleep 1\ndone';
const UNAIDED = { autocomplete: "off", autocapitalize: "off", spellcheck: false };

/**
 * @param {object} props
 * @param {Record<string, string>} props.attributes of the field
 * @param {string} props.script what it holds at first
 */
export function ScriptField({ attributes, script }) {
  const area = useRef(null);
  const host = useRef(null);
  const editor = useEditor(host, area, attributes);
  const problems = useProblems(area, script);
  useEffect(() => editor?.mark(problems), [editor, problems]);
  const goTo = (line) => (editor ? editor.goTo(line) : selectLine(area.current, line));
  return html`
    <textarea ...${attributes} ref=${area} class="mono" required rows="12" placeholder=${EXAMPLE} defaultValue=${script}
      ...${UNAIDED}></textarea>
    <div class="editor" ref=${host}></div>
    <${Problems} problems=${problems} onGo=${goTo} />
  `;
}

/** @returns {import("../editor/code_editor.js").CodeEditor|null} null until it is loaded, and where it cannot be */
function useEditor(host, area, attributes) {
  const [editor, setEditor] = useState(null);
  const described = Object.fromEntries(
    Object.entries({ ...attributes, "aria-label": t("field.script"), "aria-required": "true" }).filter(
      ([name, value]) => name.startsWith("aria-") && value !== undefined,
    ),
  );
  useEffect(() => {
    let made = null;
    let gone = false;
    loading(() => import("../editor/code_editor.js")).then(
      ({ CodeEditor }) => {
        if (gone) return;
        made = new CodeEditor(host.current, area.current, described);
        setEditor(made);
      },
      () => {}, // The textarea stays.
    );
    return () => {
      gone = true;
      made?.dispose();
    };
  }, []);
  useLayoutEffect(() => editor?.describe(described), [editor, JSON.stringify(described)]);
  useLayoutEffect(() => {
    if (!editor) return undefined;
    const label = host.current.closest(".field").querySelector("label");
    const focus = () => editor.focus();
    label.addEventListener("click", focus);
    return () => label.removeEventListener("click", focus);
  }, [editor]);
  return editor;
}

/** What is wrong with what is typed, once that pauses; what was there before is not looked at. */
function useProblems(area, stored) {
  const [problems, setProblems] = useState([]);
  useEffect(() => {
    let timer = 0;
    const typed = () => area.current?.value ?? stored;
    const look = async () => {
      const script = typed();
      const check = script === stored ? null : await checkOf(script);
      if (typed() === script) setProblems(check?.problems ?? []);
    };
    const onInput = () => {
      clearTimeout(timer);
      timer = setTimeout(look, TYPING_PAUSE_MS);
    };
    area.current.addEventListener("input", onInput);
    if (area.current.value !== stored) onInput();
    return () => clearTimeout(timer);
  }, []);
  return problems;
}

const Problems = ({ problems, onGo }) => html`<div class="problems" role="status">
  ${problems.length > 0 && html`<p>${t("check.problems")}</p>`}
  ${problems.map(
    ({ line, message }) => html`<p key=${line + message}>
      <button type="button" class="problems__line" onClick=${() => onGo(line)}>${t("check.line", { line })}</button>
      ${" "}<code>${message}</code>
    </p>`,
  )}
</div>`;

/** @param {HTMLTextAreaElement} area @param {number} line */
function selectLine(area, line) {
  const before = area.value.split("\n").slice(0, line - 1);
  const start = before.join("\n").length + (before.length ? 1 : 0);
  area.focus();
  area.setSelectionRange(start, start);
}
