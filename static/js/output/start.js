/** What is known of a run's output before anything of it came. Pure. */

/** @type {import("./watch.js").WatchState} */
export const WATCH_START = {
  stream: { kind: "connecting", heardAt: null },
  viewer: { following: true, full: false, empty: true, drained: true, hungry: true, cut: false, firstLine: null },
  next: 0,
};
