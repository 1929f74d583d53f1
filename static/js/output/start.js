/** The state of a run's output before anything of it was received. Pure. */

/** @type {import("./watch.js").WatchState} */
export const WATCH_START = {
  stream: { kind: "connecting", heardAt: null },
  viewer: { following: true, full: false, empty: true, allShown: true, wantsMore: true, cut: false, firstLine: null },
  next: 0,
};
