// A store for places without IndexedDB (Node.js): it lives as long as the worker.

export class MemoryStore {
  /** @type {Map<number, Uint8Array>} */
  #blocks = new Map();
  /** @type {Map<string, Uint8Array>} */
  #meta = new Map();

  /** @param {import("./activity.js").Activity} activity */
  constructor(activity) {
    this.activity = activity;
  }

  /** @param {number} index */
  get(index) {
    return this.activity.during(async () => this.#blocks.get(index));
  }

  indices() {
    return this.activity.during(async () => Float64Array.from(this.#blocks.keys()));
  }

  /**
   * @param {number[]} indices
   * @param {Uint8Array[]} blocks
   */
  putMany(indices, blocks) {
    return this.activity.during(async () => indices.forEach((index, at) => this.#blocks.set(index, blocks[at])));
  }

  /** @param {string} key */
  getMeta(key) {
    return this.activity.during(async () => this.#meta.get(key));
  }

  /**
   * @param {string} key
   * @param {Uint8Array} value
   */
  putMeta(key, value) {
    return this.activity.during(async () => void this.#meta.set(key, value));
  }

  flush() {
    return this.activity.during(async () => {});
  }

  clear() {
    return this.activity.during(async () => {
      this.#blocks.clear();
      this.#meta.clear();
    });
  }

  close() {}
}
