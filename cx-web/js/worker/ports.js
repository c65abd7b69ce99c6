// The worker's end of the line to the page.

/** @returns {import("../rpc.js").Port | null} the port of a Node.js worker thread, if this is one */
export function threadPort() {
  if (typeof globalThis.process?.getBuiltinModule !== "function") return null;
  /** @type {typeof import("node:worker_threads")} */
  const { parentPort } = /** @type {any} */ (process.getBuiltinModule("node:worker_threads"));
  if (!parentPort) return null;
  return {
    post: (message, transfer) => parentPort.postMessage(message, transfer),
    listen: (handler) => void parentPort.on("message", handler),
  };
}

/** @returns {import("../rpc.js").Port} */
export function windowPort() {
  const scope = /** @type {any} */ (globalThis);
  return {
    post: (message, transfer) => scope.postMessage(message, transfer ?? []),
    listen: (handler) => (scope.onmessage = (/** @type {MessageEvent} */ event) => handler(event.data)),
  };
}
