/** The head of a screen: where it is, what it is, what can be done. It takes the focus when the screen opens. */
import { html, useEffect, useLayoutEffect, useRef } from "../base/ui.js";
import { t } from "../words/words.js";

/**
 * @param {object} props
 * @param {string} props.title
 * @param {unknown} [props.shown] the title as elements, where only a part of it is a name
 * @param {string} [props.tab] what the tab is called, where that is another
 * @param {unknown} [props.beside] after the title, such as a state
 * @param {[string, string][]} [props.trail] links above it: text and path
 * @param {unknown} [props.children] the actions
 */
export function Heading({ title, shown, tab, beside, trail = [], children }) {
  const element = useRef(null);
  useLayoutEffect(() => {
    scrollTo(0, 0);
    element.current.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${tab ?? title} · Tailrun`;
  }, [tab, title]);
  const heading = shown ?? html`<bdi>${title}</bdi>`;
  return html`<header class="heading">
    <div class="heading__words">
      ${trail.length > 0 && html`<${Trail} links=${trail} />`}
      <div class="heading__line"><h1 tabindex="-1" ref=${element}>${heading}</h1>${beside}</div>
    </div>
    ${children && html`<div class="heading__actions">${children}</div>`}
  </header>`;
}

const Trail = ({ links }) => html`<nav class="trail" aria-label=${t("page.breadcrumb")}>
  ${links.map(([text, path]) => html`<a key=${path} href=${"#" + path}><bdi>${text}</bdi></a>`)}
</nav>`;
