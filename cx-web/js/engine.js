// The worker that holds devices and machines, seen from the page. There is one at a time: devices made before a
// machine must end up in the worker that runs it.

import { asCxError, CxError } from "./errors.js";
import { Endpoint } from "./rpc.js";
import { startWorker } from "./start-worker.js";

/** @type {Engine | null} */
let current = null;

/** @returns {Engine} the engine that new devices and machines go to */
export function currentEngine() {
  if (!current || current.closed) current = new Engine();
  return current;
}

export class Engine {
  #worker;
  #endpoint;
  #machines = 0;
  /** @type {Map<number, Record<string, (...args: any[]) => void>>} */
  #receivers = new Map();
  #unlisten = () => {};
  /** Settles when the worker can take requests. @type {Promise<void>} */
  ready;

  constructor() {
    this.#worker = startWorker((error) => this.fail(error));
    this.#endpoint = new Endpoint(this.#worker.port, {
      event: (/** @type {number} */ target, /** @type {string} */ name, /** @type {any[]} */ ...args) =>
        this.#receivers.get(target)?.[name]?.(...args),
      fatal: (/** @type {string} */ message) => this.fail(new CxError("EENGINE", message)),
    });
    this.ready = this.#endpoint.call("start", this.#worker.wasm).then((lock) => this.#watch(lock));
    // Whoever waits for an answer gets the same error.
    this.ready.catch((error) => this.fail(asCxError(error)));
    if (typeof globalThis.addEventListener === "function") {
      // Frees the lock of the store at once, for the page that comes after a reload.
      const gone = (/** @type {any} */ event) => {
        if (!event.persisted) this.fail(new CxError("EDELETED", "the page is going away"));
      };
      globalThis.addEventListener("pagehide", gone);
      this.#unlisten = () => globalThis.removeEventListener("pagehide", gone);
    }
  }

  get closed() {
    return this.#endpoint.closed !== null;
  }

  /**
   * @param {string} method
   * @param {...any} args
   */
  async call(method, ...args) {
    await this.ready;
    return this.#endpoint.call(method, ...args);
  }

  /**
   * @param {string} method
   * @param {...any} args
   */
  tell(method, ...args) {
    this.#endpoint.tell(method, ...args);
  }

  /**
   * Events for `target`, until it is forgotten.
   * @param {number} target
   * @param {Record<string, (...args: any[]) => void>} handlers
   */
  receive(target, handlers) {
    this.#receivers.set(target, handlers);
  }

  /** @param {number} target */
  forget(target) {
    this.#receivers.delete(target);
  }

  addMachine() {
    this.#machines += 1;
  }

  /** Ends the worker with its last machine. */
  removeMachine() {
    this.#machines -= 1;
    if (this.#machines === 0) this.fail(new CxError("EDELETED", "the machine was deleted; create devices and machine anew"));
  }

  /** @param {Error} error */
  fail(error) {
    if (this.closed) return;
    this.#endpoint.close(error);
    this.#unlisten();
    this.#worker.terminate();
    for (const handlers of [...this.#receivers.values()]) handlers.closed?.(error);
    this.#receivers.clear();
    if (current === this) current = null;
  }

  /**
   * A worker that the browser kills (out of memory) says nothing; but its locks are released.
   * @param {string | null} lock that the worker holds while it lives
   */
  #watch(lock) {
    if (!lock || !globalThis.navigator?.locks) return;
    const died = () =>
      this.fail(new CxError("EENGINE", "the browser ended the engine's worker, perhaps for lack of memory; reload the page"));
    navigator.locks.request(lock, died).catch(() => {});
  }
}

let lastTarget = 0;

/** A number for one receiver of events. */
export function newTarget() {
  lastTarget += 1;
  return lastTarget;
}
