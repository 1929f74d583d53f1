/** What the addresses of the page name: which screen, and of what. Pure. */

/**
 * @typedef {object} Route
 * @property {"commands"|"new"|"edit"|"command"|"runs"|"run"|"compare"|"schedules"|"schedule"|"account"|"tokens"|"grants"|"targets"|"workers"|"audit"|"missing"} screen
 * @property {string} [id]
 * @property {string} [other] the second of two
 * @property {URLSearchParams} query
 */

const ID = "([^/]+)";
const ROUTES = [
  [/^\/?$/, "commands"],
  [/^\/commands\/?$/, "commands"],
  [/^\/commands\/new$/, "new"],
  [new RegExp(`^/commands/${ID}/edit$`), "edit"],
  [new RegExp(`^/commands/${ID}$`), "command"],
  [/^\/runs\/?$/, "runs"],
  [new RegExp(`^/runs/${ID}$`), "run"],
  [new RegExp(`^/compare/${ID}/${ID}$`), "compare"],
  [/^\/schedules\/?$/, "schedules"],
  [new RegExp(`^/schedules/${ID}$`), "schedule"],
  [/^\/account$/, "account"],
  [/^\/tokens$/, "tokens"],
  [/^\/grants$/, "grants"],
  [/^\/targets$/, "targets"],
  [/^\/workers$/, "workers"],
  [/^\/audit$/, "audit"],
];

/** @param {string} hash @returns {Route} */
export function parseRoute(hash) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const query = new URLSearchParams(search);
  for (const [pattern, screen] of ROUTES) {
    const match = pattern.exec(path);
    if (match) return { screen, id: match[1] && decode(match[1]), other: match[2] && decode(match[2]), query };
  }
  return { screen: "missing", query };
}

/** @param {string} part @returns {string} the part itself where it is not a valid encoding */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
