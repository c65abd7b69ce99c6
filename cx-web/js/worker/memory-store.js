// A store for places without IndexedDB (Node.js): it lives as long as the worker.

export class MemoryStore {
  /** @type {Map<number, Uint8Array>} */
  #blocks = new Map();
  /** @type {Map<string, Uint8Array>} */
  #meta = new Map();

  /** @param {number} index */
  async get(index) {
    return this.#blocks.get(index);
  }

  async indices() {
    return Float64Array.from(this.#blocks.keys());
  }

  /**
   * @param {number[]} indices
   * @param {Uint8Array[]} blocks
   */
  async putMany(indices, blocks) {
    indices.forEach((index, at) => this.#blocks.set(index, blocks[at]));
  }

  /** @param {string} key */
  async getMeta(key) {
    return this.#meta.get(key);
  }

  /**
   * @param {string} key
   * @param {Uint8Array} value
   */
  async putMeta(key, value) {
    this.#meta.set(key, value);
  }

  async flush() {}

  async clear() {
    this.#blocks.clear();
    this.#meta.clear();
  }

  close() {}
}
