/**
 * What can be done before the page's modules are there: to have those of the screen loaded that the address names, all
 * at once, and to ask for what it will show.
 */
import { parseRoute } from "./base/routes.js";
import { END } from "./model/end.js";
import { begin } from "./server/begun.js";

const api = (path) => new URL(`api/v1${path}`, document.baseURI).href;

const { screen, id } = parseRoute(location.hash);

// What a sign-in brings in the address changes who asks.
if (!location.hash.startsWith("#sign-in")) begin(api("/session"));
if (screen === "run") openRun(`/runs/${encodeURIComponent(id)}`);
for (const link of document.querySelectorAll(`link[data-screens~="${screen}"]`)) link.rel = "modulepreload";

/** Of a run that goes on, the end is streamed. */
async function openRun(path) {
  const answer = await begin(api(path));
  const { end_time: ended } = await answer.clone().json();
  if (ended) begin(api(`${path}/output?${new URLSearchParams(END)}`));
}
