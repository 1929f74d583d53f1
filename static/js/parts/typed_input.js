/** A field whose value counts once it is typed: what is being typed stays, whatever is drawn meanwhile. */
import { html, useLayoutEffect, useRef } from "../base/ui.js";

/**
 * @param {object} props further ones are the field's attributes; onChange is told at Enter, or when the field is left
 * @param {string|number} props.value the one that counts
 */
export function TypedInput({ value, ...attributes }) {
  const input = useRef(null);
  useLayoutEffect(() => {
    input.current.value = value;
  }, [value]);
  return html`<input ...${attributes} ref=${input} />`;
}
