/** How a run's frames arrive: by a WebSocket, or by Server-Sent Events where a proxy blocks WebSockets. */
import { Store } from "../base/store.js";
import { eventsUrl, socketUrl } from "../server/api.js";

/**
 * @typedef {object} TransportListener
 * @property {(frame: object) => void} onFrame
 * @property {(how: {opened: boolean, code?: number, reason?: string}) => void} onClose opened: it worked
 *
 * @typedef {(runId: string, from: import("./stream.js").From, listener: TransportListener) => () => void} Transport
 * opens it; what it returns closes it, silently
 */

/** @type {Transport} */
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
 * A socket that is still connecting is closed once it is open; closed earlier, the browser logs a warning.
 * @param {WebSocket} socket
 */
function closeQuietly(socket) {
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}

/** It works once a frame has arrived: a proxy may open it and buffer everything. @type {Transport} */
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

/** @type {Record<string, Transport>} */
export const TRANSPORTS = { socket: openSocket, events: openEvents };

/**
 * The first transport that is not known to be blocked, for all runs until the page is reloaded. With "ranges" nothing
 * is pushed: the page polls.
 * @type {Store<"socket"|"events"|"ranges">}
 */
export const currentTransport = new Store("socket");

/** Moves on to the next transport. @param {string} transport that a proxy blocks */
export function markBlocked(transport) {
  if (currentTransport.value === transport) currentTransport.set(ORDER[ORDER.indexOf(transport) + 1]);
}
