/** The ways in which a run's frames come: a WebSocket, or Server-Sent Events where a proxy lets no WebSocket pass. */
import { Store } from "../base/store.js";
import { eventsUrl, socketUrl } from "../server/api.js";

/**
 * @typedef {object} WayListener
 * @property {(frame: object) => void} onFrame
 * @property {(how: {opened: boolean, code?: number, reason?: string}) => void} onClose opened: it did pass
 *
 * @typedef {(runId: string, from: import("./stream.js").From, listener: WayListener) => () => void} Way
 * opens it; what it returns closes it, silently
 */

/** @type {Way} */
function openSocket(runId, from, { onFrame, onClose }) {
  const socket = new WebSocket(socketUrl(runId, from));
  let opened = false;
  socket.onopen = () => {
    opened = true;
  };
  socket.onmessage = ({ data }) => onFrame(JSON.parse(data));
  socket.onclose = ({ code, reason }) => onClose({ opened, code, reason });
  return () => {
    socket.onmessage = null;
    socket.onclose = null;
    closeQuietly(socket);
  };
}

/**
 * One that is being opened is closed once it is open: the browser's console warns of less.
 * @param {WebSocket} socket
 */
function closeQuietly(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}

/** It passes when a frame came: a proxy may open it and keep all it is given. @type {Way} */
function openEvents(runId, from, { onFrame, onClose }) {
  const source = new EventSource(eventsUrl(runId, from));
  let opened = false;
  source.onmessage = ({ data }) => {
    opened = true;
    onFrame(JSON.parse(data));
  };
  source.onerror = () => {
    source.close();
    onClose({ opened });
  };
  return () => source.close();
}

const ORDER = ["socket", "events", "ranges"];

/** @type {Record<string, Way>} */
export const WAYS = { socket: openSocket, events: openEvents };

/**
 * The first that has not been found not to pass, for all runs until the page is loaded again. With "ranges" nothing
 * is pushed: the page asks.
 * @type {Store<"socket"|"events"|"ranges">}
 */
export const passing = new Store("socket");

/** Says that a way does not pass. @param {string} way */
export function notPassing(way) {
  if (passing.value === way) passing.set(ORDER[ORDER.indexOf(way) + 1]);
}
