/** The only module that imports preact and htm: components as tagged templates, no build step. */
import htm from "../../vendor/htm/htm.js";
import { h } from "../../vendor/preact/preact.js";

export { Fragment, render } from "../../vendor/preact/preact.js";
export {
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from "../../vendor/preact/hooks.js";

/** Builds elements; every value put into it becomes text or a property, never HTML. */
export const html = htm.bind(h);
