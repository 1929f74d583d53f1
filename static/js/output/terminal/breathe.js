/** The page's turn: what waits is done before the promise is kept. Unlike a timer, it is not slowed down in the background. */

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
