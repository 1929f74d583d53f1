/** What can be done before the page's modules are there: to ask for what the address names. */
import { parseRoute } from "./base/routes.js";
import { END } from "./model/end.js";
import { begin } from "./server/begun.js";

const api = (path) => new URL(`api/v1${path}`, document.baseURI).href;

const { screen, id } = parseRoute(location.hash);

// What a sign-in brings in the address changes who asks.
if (!location.hash.startsWith("#sign-in")) begin(api("/session"));
if (screen === "run") openRun(`/runs/${encodeURIComponent(id)}`);

/** Of a run that goes on, the end is streamed. */
async function openRun(path) {
  const answer = await begin(api(path));
  const { end_time: ended } = await answer.clone().json();
  if (ended) begin(api(`${path}/output?${new URLSearchParams(END)}`));
}
