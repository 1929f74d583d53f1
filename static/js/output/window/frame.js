/** The elements of an `OutputWindow`: what scrolls, what stays in sight meanwhile, and what stands below the last row. */
import { html } from "../../base/ui.js";

/**
 * @param {object} props
 * @param {{current: HTMLElement|null}} props.host of the rows
 * @param {unknown} [props.children] what stands below the last row
 */
export const WindowFrame = ({ host, children }) => html`<div class="window">
  <div class="window__view">
    <div class="window__flow">
      <div ref=${host} class="window__rows"></div>
      <div class="window__foot">${children}</div>
    </div>
  </div>
</div>`;
