/** The page's turn: what waits is done before the promise is kept. Unlike a timer, it is not slowed down in the background. */

/** How long output is written to a terminal before the page has its turn. */
export const TURN_MS = 8;
/** Characters of a line between two looks at the clock: of what costs a terminal most, some 30 ms. */
export const PIECE = 1024;

/** @returns {Promise<void>} */
export function breathe() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
