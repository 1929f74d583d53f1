/** A button, or a link that looks like one. */
import { html } from "../base/ui.js";
import { Icon } from "./icon.js";

/**
 * @param {object} props any other becomes an attribute; with `href` it is a link
 * @param {string} props.words
 * @param {string} [props.icon]
 * @param {"main"|"quiet"|"danger"|"danger-quiet"} [props.kind]
 * @param {boolean} [props.small]
 * @param {boolean} [props.brief] where there is little room, the icon alone
 * @param {boolean} [props.bare] the icon alone, everywhere
 * @param {string} [props.also] more classes
 */
export function Button({ words, icon, kind, small, brief, bare, also = "", ...attributes }) {
  const classes = ["button", kind && `button--${kind}`, small && "button--small", also].filter(Boolean).join(" ");
  const inside = [
    icon && html`<${Icon} name=${icon} />`,
    !bare && (brief ? html`<span class="wide-only">${words}</span>` : words),
  ];
  const label = brief || bare ? { "aria-label": words, title: words } : {};
  if (attributes.href) return html`<a class=${classes} ...${label} ...${attributes}>${inside}</a>`;
  return html`<button type="button" class=${classes} ...${label} ...${attributes}>${inside}</button>`;
}
