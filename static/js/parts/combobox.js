/** A field that offers what is found as one types (the "combobox" pattern of the ARIA Authoring Practices Guide). */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../base/ui.js";
import { t } from "../words/words.js";

/**
 * @typedef {object} Option
 * @property {string} id "" where nothing is chosen
 * @property {string} name
 */

const TYPING_PAUSE_MS = 200;

/** Which option a key leads to. @type {Record<string, (at: number, count: number) => number>} */
const MOVES = {
  ArrowDown: (at, count) => Math.min(at + 1, count - 1),
  ArrowUp: (at) => Math.max(at - 1, 0),
};

/**
 * @param {object} props
 * @param {string} props.name an id of the page's
 * @param {string} props.label
 * @param {Option} props.chosen
 * @param {string} props.none what choosing nothing is called
 * @param {(text: string, options: {signal: AbortSignal}) => Promise<Option[]>} props.search a few; it is asked when
 * somebody has stopped typing
 * @param {(option: Option) => void} props.onChoose
 */
export function Combobox({ name, label, chosen, none, search, onChoose }) {
  const [text, setText] = useState(null); // null: nobody chooses
  const [at, setAt] = useState(0);
  const found = useFound(text, search);
  const isOpen = text !== null;
  const options = isOpen ? [...(text.trim() ? [] : [{ id: "", name: none }]), ...found.options] : [];
  const open = () => isOpen || (setText(""), setAt(0));
  const close = () => setText(null);
  const choose = (option) => {
    close();
    onChoose(option);
  };
  const onKeyDown = (event) => {
    const move = MOVES[event.key];
    if (move) isOpen ? setAt(move(at, options.length)) : open();
    else if (isOpen && event.key === "Enter") found.isDone && options[at] && choose(options[at]);
    else if (isOpen && event.key === "Escape") close();
    else return;
    event.preventDefault();
  };
  const onInput = ({ target }) => {
    setText(target.value);
    setAt(0);
  };
  return html`<div class="filter combobox">
    <label for=${name}>${label}</label>
    <input id=${name} type="text" role="combobox" aria-expanded=${isOpen} aria-autocomplete="list"
      aria-controls=${isOpen ? `${name}-options` : undefined}
      aria-activedescendant=${options[at] ? `${name}-option-${at}` : undefined}
      placeholder=${chosen.id ? chosen.name : none} value=${isOpen ? text : chosen.id && chosen.name}
      autocomplete="off" spellcheck=${false}
      onClick=${open} onInput=${onInput} onKeyDown=${onKeyDown} onBlur=${close} />
    ${isOpen && html`<${Options} name=${name} label=${label} options=${options} at=${at} onChoose=${choose} />`}
    <span class="visually-hidden" role="status">
      ${isOpen && found.isDone && t("combobox.found", { count: found.options.length })}
    </span>
    ${isOpen && found.isDone && options.length === 0 && html`<span class="combobox__none">${t("combobox.none")}</span>`}
  </div>`;
}

/** What was found last, and whether that is for this text; nothing is asked while it is null. */
function useFound(text, search) {
  const [found, setFound] = useState({ options: [], text: null });
  useEffect(() => {
    if (text === null) {
      setFound({ options: [], text });
      return undefined;
    }
    const abort = new AbortController();
    const ask = () =>
      search(text.trim(), { signal: abort.signal })
        .catch(() => []) // the banner says why
        .then((options) => abort.signal.aborted || setFound({ options, text }));
    const timer = setTimeout(ask, text ? TYPING_PAUSE_MS : 0);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  return { options: found.options, isDone: text !== null && found.text === text };
}

function Options({ name, label, options, at, onChoose }) {
  const list = useRef(null);
  useLayoutEffect(() => list.current.children[at]?.scrollIntoView({ block: "nearest" }), [at]);
  // A press would take the focus from the field, which closes the list before it is a click.
  return html`<ul class="combobox__options" id=${`${name}-options`} role="listbox" aria-label=${label} ref=${list}
    onMouseDown=${(event) => event.preventDefault()}>
    ${options.map(
      (option, i) => html`<li class="combobox__option" id=${`${name}-option-${i}`} key=${option.id} role="option"
        aria-selected=${i === at} onClick=${() => onChoose(option)}><bdi>${option.name}</bdi></li>`,
    )}
  </ul>`;
}
