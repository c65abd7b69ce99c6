// Requests, answers and events over anything that posts messages. Every request settles: by its answer, or by the
// error that closed the endpoint.

import { CxError, fromWire, toWire } from "./errors.js";

/**
 * @typedef {object} Port
 * @property {(message: any, transfer?: any[]) => void} post
 * @property {(handler: (message: any) => void) => void} listen
 */

/** Marks a value whose buffers move instead of being copied. */
export class Moved {
  /**
   * @param {any} value
   * @param {ArrayBufferLike[]} buffers
   */
  constructor(value, buffers) {
    this.value = value;
    this.buffers = buffers;
  }
}

/**
 * A byte array for the other side, moved where it owns its whole buffer.
 * @param {Uint8Array} bytes
 */
export function moved(bytes) {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  const own = whole ? bytes : bytes.slice();
  return new Moved(own, [own.buffer]);
}

export class Endpoint {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #waiting = new Map();
  #next = 1;
  /** @type {Error | null} */
  #closed = null;
  #port;
  #handlers;

  /**
   * @param {Port} port
   * @param {Record<string, (...args: any[]) => any>} handlers of requests and events of the other side
   */
  constructor(port, handlers) {
    this.#port = port;
    this.#handlers = handlers;
    port.listen((message) => this.#receive(message));
  }

  /** The error that closed this end, if it is closed. */
  get closed() {
    return this.#closed;
  }

  /**
   * Asks the other side, and waits for its answer.
   * @param {string} method
   * @param {...any} args
   * @returns {Promise<any>}
   */
  call(method, ...args) {
    if (this.#closed) return Promise.reject(this.#closed);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      try {
        this.#send({ id, method, args });
      } catch (error) {
        this.#waiting.delete(id);
        reject(new CxError("EARGUMENT", `an argument of ${method} cannot be sent to the engine: ${error}`));
      }
    });
  }

  /**
   * Tells the other side something that has no answer.
   * @param {string} method
   * @param {...any} args
   */
  tell(method, ...args) {
    if (!this.#closed) this.#send({ method, args });
  }

  /**
   * Rejects everything that waits, and everything that will be asked.
   * @param {Error} error
   */
  close(error) {
    if (this.#closed) return;
    this.#closed = error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }

  /** @param {{id?: number, method: string, args: any[]}} message */
  #send(message) {
    /** @type {any[]} */
    const transfer = [];
    const args = message.args.map((arg) => {
      if (!(arg instanceof Moved)) return arg;
      transfer.push(...arg.buffers);
      return arg.value;
    });
    this.#port.post({ ...message, args }, transfer);
  }

  /** @param {any} message */
  #receive(message) {
    if (this.#closed) return;
    if (typeof message.method === "string") {
      void this.#serve(message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(fromWire(message.error));
    else waiting.resolve(message.value);
  }

  /** @param {{id?: number, method: string, args: any[]}} request */
  async #serve({ id, method, args }) {
    let answer;
    /** @type {any[]} */
    let transfer = [];
    try {
      if (!Object.hasOwn(this.#handlers, method)) throw new CxError("EENGINE", `there is no method ${method}`);
      const result = this.#handlers[method](...args);
      let value = result instanceof Promise ? await result : result;
      if (value instanceof Moved) {
        transfer = value.buffers;
        value = value.value;
      }
      answer = { id, value };
    } catch (error) {
      answer = { id, error: toWire(error) };
    }
    if (id !== undefined) this.#port.post(answer, transfer);
  }
}
