// Counts what devices do, and wakes machines when it is done.

export class Activity {
  #running = 0;
  bytes = 0;
  requests = 0;
  /** Called after every operation: the engine's futures are woken by the same promises. @type {Set<() => void>} */
  wakers = new Set();
  /** @type {Set<(name: string, value: any) => void>} */
  listeners = new Set();

  /**
   * Runs one operation of a device.
   * @template T
   * @param {() => Promise<T>} operation
   * @returns {Promise<T>}
   */
  async during(operation) {
    const started = performance.now();
    this.#running += 1;
    if (this.#running === 1) this.#tell("diskActivity", "wait");
    try {
      return await operation();
    } finally {
      this.#running -= 1;
      this.#tell("diskLatency", performance.now() - started);
      if (this.#running === 0) this.#tell("diskActivity", "ready");
      this.#wake();
    }
  }

  /** Waits, as the engine's back-off asks for. @param {number} milliseconds */
  async sleep(milliseconds) {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    this.#wake();
  }

  #wake() {
    for (const wake of this.wakers) wake();
  }

  /** @param {number} bytes that came over the network */
  fetched(bytes) {
    this.bytes += bytes;
    this.requests += 1;
    this.#tell("progress", { bytes: this.bytes, requests: this.requests });
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  #tell(name, value) {
    for (const listener of this.listeners) listener(name, value);
  }
}
