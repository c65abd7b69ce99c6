// An image in a file of the host, for Node.js. Same shape as the HTTP fetcher.

import { CxError } from "../errors.js";

export class FileFetcher {
  /** @type {import("node:fs/promises").FileHandle | null} */
  #file = null;

  /**
   * @param {string} url of scheme `file:`
   * @param {import("./activity.js").Activity} activity
   */
  constructor(url, activity) {
    this.url = url;
    this.activity = activity;
  }

  async head() {
    return this.activity.during(async () => {
      const { size, mtimeMs } = await (await this.#open()).stat();
      return { size, validator: `${size}-${mtimeMs}` };
    });
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  async fetch(offset, length) {
    return this.activity.during(async () => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await (await this.#open()).read(bytes, 0, length, offset);
      this.activity.fetched(bytesRead);
      return { bytes: bytes.subarray(0, bytesRead), validator: undefined };
    });
  }

  /** @param {number} milliseconds */
  sleep(milliseconds) {
    return this.activity.sleep(milliseconds);
  }

  async #open() {
    if (this.#file) return this.#file;
    /** @type {typeof import("node:fs/promises")} */
    const fs = /** @type {any} */ (process.getBuiltinModule("node:fs/promises"));
    try {
      this.#file = await fs.open(new URL(this.url), "r");
    } catch (cause) {
      const code = /** @type {{code?: string}} */ (cause).code ?? "EIO";
      throw new CxError(code, `${this.url} cannot be opened (${code})`, { cause });
    }
    return this.#file;
  }
}
