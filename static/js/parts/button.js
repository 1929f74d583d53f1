/** A button, or a link that looks like one. */
import { html } from "../base/ui.js";
import { Icon } from "./icon.js";

/**
 * @param {object} props any other becomes an attribute; with `href` it is a link
 * @param {string} props.label
 * @param {string} [props.icon]
 * @param {"main"|"quiet"|"danger"|"danger-quiet"} [props.kind]
 * @param {boolean} [props.small]
 * @param {boolean} [props.compact] on a narrow screen the icon alone
 * @param {boolean} [props.iconOnly] the icon alone, on every screen
 * @param {string} [props.className] further classes
 */
export function Button({ label, icon, kind, small, compact, iconOnly, className, ...attributes }) {
  const classes = ["button", kind && `button--${kind}`, small && "button--small", className].filter(Boolean).join(" ");
  const inside = [
    icon && html`<${Icon} name=${icon} />`,
    !iconOnly && (compact ? html`<span class="wide-only">${label}</span>` : label),
  ];
  const named = compact || iconOnly ? { "aria-label": label, title: label } : {};
  if (attributes.href) return html`<a class=${classes} ...${named} ...${attributes}>${inside}</a>`;
  return html`<button type="button" class=${classes} ...${named} ...${attributes}>${inside}</button>`;
}
