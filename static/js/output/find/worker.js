/** Matches a pattern in a text, as one that may take for ever is not to be matched in the page itself. */
import { matchesIn } from "./matches.js";

addEventListener("message", ({ data: { pattern, text } }) => postMessage(matchesIn(pattern, text)));
