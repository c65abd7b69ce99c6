// What `WebDevice` and `GitHubDevice` ask of a server: whole files, and listings.

import { CxError } from "../errors.js";
import { body, request, statusError } from "./http.js";

export class WebTree {
  /**
   * @param {string} base address that ends in a slash
   * @param {import("./activity.js").Activity} activity
   */
  constructor(base, activity) {
    this.base = base;
    this.activity = activity;
  }

  /** @param {string} path */
  #url(path) {
    const relative = path.split("/").filter((part) => part !== "").map(encodeURIComponent).join("/");
    // A name may look like an address (`a:b`): only below the base is it one of ours.
    return new URL(`./${relative}`, this.base).href;
  }

  /**
   * A whole file.
   * @param {string} path
   */
  async get(path) {
    const url = this.#url(path);
    return this.activity.during(async () => {
      const response = await request(url, { cache: "default" });
      if (!response.ok) throw statusError(response, url);
      const bytes = await body(response, url);
      this.activity.fetched(bytes.length);
      return bytes;
    });
  }

  /**
   * What the server says about a path.
   * @param {string} path
   * @returns {Promise<{size: number | undefined, directory: boolean, modified: number | undefined}>}
   */
  async head(path) {
    const url = this.#url(path);
    return this.activity.during(async () => {
      const response = await request(url, { method: "HEAD", cache: "default" });
      if (!response.ok) throw statusError(response, url);
      // The length of a compressed answer is not that of the file.
      const plain = !response.headers.get("content-encoding");
      const length = plain ? response.headers.get("content-length") : null;
      const modified = Date.parse(response.headers.get("last-modified") ?? "");
      return {
        size: length === null ? undefined : Number(length),
        directory: response.redirected && response.url === `${url}/`,
        modified: Number.isNaN(modified) ? undefined : modified,
      };
    });
  }

  /**
   * A part of a file.
   * @param {string} path
   * @param {number} offset
   * @param {number} length
   */
  async getRange(path, offset, length) {
    const url = this.#url(path);
    return this.activity.during(async () => {
      const abort = new AbortController();
      const response = await request(url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` }, signal: abort.signal });
      if (response.status === 200) {
        abort.abort();
        throw new CxError("EHTTPRANGE", `${url}: the server does not answer range requests`);
      }
      if (response.status !== 206) throw statusError(response, url);
      const bytes = await body(response, url);
      this.activity.fetched(bytes.length);
      return bytes;
    });
  }
}

export class SplitFetcher {
  /**
   * @param {string} url prefix of the names
   * @param {import("./activity.js").Activity} activity
   */
  constructor(url, activity) {
    this.url = url;
    this.activity = activity;
  }

  /**
   * One file of the split image.
   * @param {string} suffix `.meta` or `.c000000.txt`
   */
  async get(suffix) {
    const url = this.url + suffix;
    return this.activity.during(async () => {
      const response = await request(url, { cache: "default" });
      if (!response.ok) throw statusError(response, url);
      const bytes = await body(response, url);
      this.activity.fetched(bytes.length);
      return bytes;
    });
  }
}
