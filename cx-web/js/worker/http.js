// Range requests for one file. Retries, blocks and caches are the engine's business; here is what HTTP says.

import { CxError } from "../errors.js";
import { BLOCK_BYTES } from "./limits.js";

/** A request that takes longer has lost its connection. */
const PATIENCE_MS = 60_000;

/**
 * ETag or Last-Modified.
 * @param {Headers} headers
 */
export function validatorOf(headers) {
  return headers.get("etag") ?? headers.get("last-modified") ?? undefined;
}

/**
 * The total of `Content-Range: bytes 0-99/1234` (RFC 9110, 14.4).
 * @param {string | null} value
 */
export function totalOf(value) {
  const match = /^bytes\s+(\d+)-(\d+)\/(\d+)$/.exec(value ?? "");
  return match ? { start: Number(match[1]), end: Number(match[2]), total: Number(match[3]) } : null;
}

/**
 * The error for an answer that is no success. `EIO` is worth another try.
 * @param {Response} response
 * @param {string} url
 */
export function statusError(response, url) {
  const { status } = response;
  if (status === 404 || status === 410) return new CxError("ENOENT", `${url} was not found (HTTP ${status}); check the address`, { errno: 2 });
  if (status === 401 || status === 403) return new CxError("EACCES", `the server refuses ${url} (HTTP ${status})`, { errno: 13 });
  return new CxError("EIO", `the server answered ${status} for ${url}`, { errno: 5 });
}

/**
 * A fetch whose failures are typed.
 * @param {string} url
 * @param {RequestInit} [init]
 */
export async function request(url, init = {}) {
  try {
    // The browser's own cache would make requests for parts of one file wait for each other.
    return await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS), ...init });
  } catch (cause) {
    const why = "is it reachable, and does the server allow this origin (CORS)?";
    throw new CxError("EIO", `${url} could not be fetched: ${why}`, { cause, errno: 5 });
  }
}

/**
 * The body of an answer.
 * @param {Response} response
 * @param {string} url
 */
export async function body(response, url) {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new CxError("EIO", `the connection broke while ${url} was coming`, { cause, errno: 5 });
  }
}

export class HttpFetcher {
  /** The first block came with the first answer. @type {{bytes: Uint8Array, validator: string | undefined} | null} */
  #first = null;

  /**
   * @param {string} url
   * @param {import("./activity.js").Activity} activity
   */
  constructor(url, activity) {
    this.url = url;
    this.activity = activity;
  }

  /** @returns {Promise<{size: number, validator: string | undefined}>} */
  async head() {
    const { response, bytes } = await this.#get(0, BLOCK_BYTES);
    const range = totalOf(response.headers.get("content-range"));
    if (!range) {
      throw new CxError(
        "EHTTPRANGE",
        `${this.url}: the answer has no usable Content-Range; a server of another origin must list Content-Range and ETag in Access-Control-Expose-Headers`,
      );
    }
    const validator = validatorOf(response.headers);
    this.#first = { bytes, validator };
    return { size: range.total, validator };
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  async fetch(offset, length) {
    const first = this.#first;
    if (first && offset === 0 && length <= first.bytes.length) {
      this.#first = null;
      return { bytes: first.bytes.subarray(0, length), validator: first.validator };
    }
    const { response, bytes } = await this.#get(offset, length);
    const range = totalOf(response.headers.get("content-range"));
    if (range && range.start !== offset) throw new CxError("EIO", `${this.url}: another range came than was asked for`, { errno: 5 });
    return { bytes, validator: validatorOf(response.headers) };
  }

  /** @param {number} milliseconds */
  sleep(milliseconds) {
    return this.activity.sleep(milliseconds);
  }

  /**
   * @param {number} offset
   * @param {number} length
   */
  async #get(offset, length) {
    return this.activity.during(async () => {
      const abort = new AbortController();
      const signal = AbortSignal.any ? AbortSignal.any([abort.signal, AbortSignal.timeout(PATIENCE_MS)]) : abort.signal;
      const response = await request(this.url, { headers: { Range: `bytes=${offset}-${offset + length - 1}` }, signal });
      if (response.status !== 206) {
        // Not to load a whole image that was sent instead of a part.
        abort.abort();
        throw this.#notPartial(response);
      }
      const bytes = await body(response, this.url);
      this.activity.fetched(bytes.length);
      return { response, bytes };
    });
  }

  /** @param {Response} response */
  #notPartial(response) {
    if (response.status === 200) {
      return new CxError(
        "EHTTPRANGE",
        `${this.url}: the server sends the whole file where a part was asked for; use a server that answers Range requests with 206`,
      );
    }
    if (response.status === 416) return new CxError("EBASECHANGED", `${this.url} is shorter than it was; reload the page`);
    return statusError(response, this.url);
  }
}
