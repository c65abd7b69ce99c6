// Starts the worker: a Worker in a page, a worker thread in Node.js.

import { CxError } from "./errors.js";
import { scriptUrl } from "./script-url.js";

/**
 * @typedef {object} Started
 * @property {import("./rpc.js").Port} port
 * @property {string} wasm address of the engine's WebAssembly module
 * @property {() => void} terminate
 */

/** True in Node.js. */
export const inNode = typeof globalThis.process?.getBuiltinModule === "function" && typeof globalThis.document === "undefined";

/**
 * @param {(error: Error) => void} failed called when the worker died
 * @returns {Started}
 */
export function startWorker(failed) {
  const wasm = new URL("cx_bg.wasm", scriptUrl).href;
  const script = new URL("worker.js", scriptUrl);
  return inNode ? startThread(script, wasm, failed) : startInPage(script, wasm, failed);
}

/**
 * @param {URL} script
 * @param {string} wasm
 * @param {(error: Error) => void} failed
 * @returns {Started}
 */
function startInPage(script, wasm, failed) {
  let worker;
  if (script.origin === globalThis.location.origin) {
    worker = new Worker(script, { name: "cx" });
  } else {
    // A worker's script must be of the page's own origin; one of ours may import the real one.
    const source = `importScripts(${JSON.stringify(script.href)});`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    worker = new Worker(url, { name: "cx" });
  }
  worker.onerror = (event) => {
    const where = event.filename ? ` (${event.filename}:${event.lineno})` : "";
    failed(new CxError("EENGINE", `the engine's worker failed: ${event.message ?? `is ${script.href} there?`}${where}`));
  };
  worker.onmessageerror = () => failed(new CxError("EENGINE", "a message from the engine could not be read"));
  return {
    wasm,
    port: {
      post: (message, transfer) => worker.postMessage(message, transfer ?? []),
      listen: (handler) => (worker.onmessage = (event) => handler(event.data)),
    },
    terminate: () => worker.terminate(),
  };
}

/**
 * @param {URL} script
 * @param {string} wasm
 * @param {(error: Error) => void} failed
 * @returns {Started}
 */
function startThread(script, wasm, failed) {
  /** @type {typeof import("node:worker_threads")} */
  const threads = /** @type {any} */ (process.getBuiltinModule("node:worker_threads"));
  const worker = new threads.Worker(script);
  worker.on("error", (error) => failed(new CxError("EENGINE", `the engine's thread failed: ${error}`, { cause: error })));
  worker.on("exit", (code) => failed(new CxError("EENGINE", `the engine's thread ended with ${code}`)));
  return {
    wasm,
    port: {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen: (handler) => void worker.on("message", handler),
    },
    terminate: () => void worker.terminate(),
  };
}
