/** Compares apart from the page, which goes on meanwhile. */
import { difference } from "./difference.js";

addEventListener("message", ({ data: { left, right, folded } }) => postMessage(difference(left, right, folded)));
