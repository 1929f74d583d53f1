/** Makes a command a favourite, or no more. */
import { html, useLayoutEffect, useRef } from "../base/ui.js";
import { Button } from "../parts/button.js";
import { showNotice } from "../parts/notice.js";
import { t } from "../words/words.js";
import { MOST_FAVOURITES, toggleFavourite, useFavourites } from "./favourites.js";

/** @param {string} id */
export function toggleOrTell(id) {
  if (!toggleFavourite(id)) showNotice(t("commands.favourites.most", { count: MOST_FAVOURITES }), { isError: true });
}

/** @param {{command: import("../model/types.js").Command}} props */
export function Star({ command: { id, name } }) {
  const isFavourite = useFavourites().includes(id);
  const place = useRef(null);
  const pressed = useRef(false);
  useLayoutEffect(() => {
    // A row that is moved in its list loses the focus.
    if (pressed.current) place.current.querySelector("button").focus({ preventScroll: true });
    pressed.current = false;
  }, [isFavourite]);
  useLayoutEffect(() => () => pressed.current && document.querySelector("h1").focus({ preventScroll: true }), []);
  const press = () => {
    pressed.current = true;
    toggleOrTell(id);
  };
  return html`<span class="star above" ref=${place}>
    <${Button} iconOnly kind="quiet" icon=${isFavourite ? "starred" : "star"} label=${t("commands.favourite")}
      aria-label=${t("commands.favourite-one", { name })} aria-pressed=${isFavourite} onClick=${press} />
  </span>`;
}
