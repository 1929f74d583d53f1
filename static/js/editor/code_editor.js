/** The editor of scripts; only a form loads it, and the libraries with it. */
import {
  defaultKeymap,
  history,
  historyKeymap,
  indentLess,
  indentMore,
} from "../../vendor/codemirror/commands.js";
import {
  bracketMatching,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "../../vendor/codemirror/language.js";
import { classHighlighter } from "../../vendor/codemirror/lezer-highlight.js";
import { lintGutter, setDiagnostics } from "../../vendor/codemirror/lint.js";
import { python } from "../../vendor/codemirror/python.js";
import { shell } from "../../vendor/codemirror/shell.js";
import { Compartment, EditorState, Prec } from "../../vendor/codemirror/state.js";
import { EditorView, keymap, lineNumbers, placeholder } from "../../vendor/codemirror/view.js";
import { languageOf } from "./language.js";

/** @typedef {{line: number, message: string}} Problem */

const LANGUAGES = { shell: StreamLanguage.define(shell), python: StreamLanguage.define(python) };
/** It indents with what follows; Escape first, and it leads on as anywhere (WCAG 2.2, 2.1.2). */
const TAB = { key: "Tab", run: indentMore, shift: indentLess };
/** It belongs to the form. */
const SUBMIT = { key: "Mod-Enter", run: () => true };
/** How long Tab leads on after Escape, in the library, too. */
const LEAVING_MS = 2000;

/** Stands for a textarea, which keeps what is typed and tells it to the form. */
export class CodeEditor {
  /**
   * @param {HTMLElement} host
   * @param {HTMLTextAreaElement} area is hidden
   * @param {Record<string, string>} attributes of what is typed into: what it is called, and described by
   */
  constructor(host, area, attributes) {
    Object.assign(this, { area, described: new Compartment(), language: new Compartment(), leaving: 0 });
    this.spoken = languageOf(area.value);
    const focused = document.activeElement === area;
    const { selectionStart: anchor, selectionEnd: head } = area;
    this.view = new EditorView({
      parent: host,
      doc: area.value,
      selection: focused ? { anchor, head } : undefined,
      extensions: this.#extensions(attributes),
    });
    area.hidden = true;
    area.removeAttribute("id");
    host.addEventListener("keydown", (event) => this.#onKey(event));
    if (focused) this.view.focus();
  }

  /** @param {Record<string, string>} attributes */
  describe(attributes) {
    const content = EditorView.contentAttributes.of(attributes);
    this.view.dispatch({ effects: this.described.reconfigure(content) });
  }

  /** @param {Problem[]} problems */
  mark(problems) {
    const { doc } = this.view.state;
    const found = problems.map(({ line, message }) => {
      const { from, to } = doc.line(Math.min(line, doc.lines));
      return { from, to, message, severity: "error" };
    });
    this.view.dispatch(setDiagnostics(this.view.state, found));
  }

  /** @param {number} line */
  goTo(line) {
    const { doc } = this.view.state;
    const { from } = doc.line(Math.min(line, doc.lines));
    this.view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    this.view.focus();
  }

  focus() {
    this.view.focus();
  }

  dispose() {
    this.view.destroy();
  }

  #extensions(attributes) {
    return [
      Prec.highest(keymap.of([SUBMIT])),
      keymap.of([TAB, ...defaultKeymap, ...historyKeymap]),
      history(),
      lineNumbers(),
      lintGutter(),
      bracketMatching(),
      indentUnit.of("  "),
      EditorState.tabSize.of(4),
      EditorView.lineWrapping,
      placeholder(this.area.placeholder),
      syntaxHighlighting(classHighlighter),
      this.language.of(LANGUAGES[this.spoken] ?? []),
      this.described.of(EditorView.contentAttributes.of(attributes)),
      EditorView.updateListener.of((update) => update.docChanged && this.#onChange(update.state.doc)),
    ];
  }

  #onChange(doc) {
    this.area.value = doc.toString();
    this.area.dispatchEvent(new Event("input", { bubbles: true }));
    const spoken = languageOf(doc.line(1).text);
    if (spoken === this.spoken) return;
    this.spoken = spoken;
    const effects = this.language.reconfigure(LANGUAGES[spoken] ?? []);
    // Not within an update.
    queueMicrotask(() => this.view.dispatch({ effects }));
  }

  /** The first Escape is the editor's: it lets Tab lead on. The second leaves the form. */
  #onKey(event) {
    if (event.key !== "Escape" || performance.now() < this.leaving) return;
    this.leaving = performance.now() + LEAVING_MS;
    event.preventDefault();
  }
}
