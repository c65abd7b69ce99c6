// Devices as a page sees them: handles on what lives in the worker.

import { CxError } from "./errors.js";
import { currentEngine } from "./engine.js";
import { moved } from "./rpc.js";

/** @typedef {import("./engine.js").Engine} Engine */

const secret = Symbol("devices are made by their create functions");

/**
 * The address of something, seen from the page.
 * @param {string | URL} url
 */
export function absoluteUrl(url) {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(url, base).href;
  } catch (cause) {
    throw new CxError("EARGUMENT", `${url} is not an address`, { cause });
  }
}

/** Bytes of what a page writes. @param {string | Uint8Array | ArrayBuffer} data */
export function toBytes(data) {
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  throw new CxError("EARGUMENT", "file content must be a string, a Uint8Array or an ArrayBuffer");
}

/** What all devices share. */
class Device {
  /** @type {Engine} */
  #engine;
  /** @type {number} */
  #id;

  /**
   * @param {symbol} key
   * @param {Engine} engine
   * @param {number} id
   */
  constructor(key, engine, id) {
    if (key !== secret) throw new CxError("EARGUMENT", "make devices with `await …Device.create(…)`");
    this.#engine = engine;
    this.#id = id;
  }

  /** Where the device lives. @returns {{engine: Engine, id: number}} */
  static locate(/** @type {Device} */ device) {
    if (!(device instanceof Device)) throw new CxError("EARGUMENT", "that is not a device; make one with `await …Device.create(…)`");
    return { engine: device.#engine, id: device.#id };
  }

  /**
   * @param {string} method
   * @param {...any} args
   * @returns {Promise<any>}
   */
  ask(method, ...args) {
    return this.#engine.call(method, this.#id, ...args);
  }
}

export const locate = Device.locate;

/** A range of bytes: what an `ext2` mount needs. */
class BlockDevice extends Device {
  /** Bytes in the device. @returns {Promise<number>} */
  size() {
    return this.ask("blockSize");
  }

  /**
   * Bytes and requests that this device and what is below it cost so far.
   * @returns {Promise<{bytes: number, requests: number, retries: number}>}
   */
  stats() {
    return this.ask("blockStats");
  }
}

/** A tree of files: what a `dir` mount needs. */
class FileTree extends Device {
  /** @param {string} path @returns {Promise<Uint8Array>} */
  readFile(path) {
    return this.ask("treeRead", path);
  }

  /**
   * Creates or replaces a file, and the directories on the way to it.
   * @param {string} path
   * @param {string | Uint8Array | ArrayBuffer} data
   */
  async writeFile(path, data) {
    await this.ask("treeWrite", path, moved(toBytes(data)));
  }

  /** @param {string} path @returns {Promise<import("../cx.d.ts").DirectoryEntry[]>} */
  list(path) {
    return this.ask("treeList", path);
  }

  /** Removes a file or an empty directory. @param {string} path */
  async remove(path) {
    await this.ask("treeRemove", path);
  }
}

/** A read-only block device over HTTP range requests. */
export class HttpBytesDevice extends BlockDevice {
  /** @param {string | URL} url */
  static async create(url) {
    const engine = currentEngine();
    return new HttpBytesDevice(secret, engine, await engine.call("openHttp", absoluteUrl(url)));
  }
}

/** The role of {@link HttpBytesDevice} for a `wss:` or `https:` address. Ranges are asked for over HTTPS. */
export class CloudDevice extends BlockDevice {
  /** @param {string | URL} url */
  static async create(url) {
    const address = absoluteUrl(url).replace(/^ws(s?):/, "http$1:");
    const engine = currentEngine();
    return new CloudDevice(secret, engine, await engine.call("openHttp", address));
  }
}

/** An image split into files of 128 KiB, as a host without range requests needs it. */
export class GitHubDevice extends BlockDevice {
  /** @param {string | URL} url without the `.meta` of the size file */
  static async create(url) {
    const engine = currentEngine();
    return new GitHubDevice(secret, engine, await engine.call("openSplit", absoluteUrl(url)));
  }
}

/** Storage of the browser that outlives the page. */
export class IDBDevice extends FileTree {
  /** @param {string} name */
  static async create(name) {
    if (typeof name !== "string" || name === "") throw new CxError("EARGUMENT", "a store needs a name");
    const engine = currentEngine();
    return new IDBDevice(secret, engine, await engine.call("openStore", name));
  }

  /** @param {string} path @returns {Promise<Blob>} */
  async readFileAsBlob(path) {
    const bytes = await this.readFile(path);
    return new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)]);
  }

  /** Forgets everything stored. Nothing may be mounted from it. */
  async reset() {
    await this.ask("resetStore");
  }
}

/** Copy-on-write: reads go to the base, writes stay in the store, or in memory without one. */
export class OverlayDevice extends BlockDevice {
  /**
   * @param {BlockDevice} base
   * @param {IDBDevice} [store]
   */
  static async create(base, store) {
    const below = locate(base);
    if (!(base instanceof BlockDevice)) throw new CxError("EARGUMENT", "the base of an overlay must be a block device");
    if (!store) return new OverlayDevice(secret, below.engine, await below.engine.call("openOverlay", below.id, null));
    const kept = locate(store);
    if (!(store instanceof IDBDevice)) throw new CxError("EARGUMENT", "the writes of an overlay go to an IDBDevice");
    if (below.engine !== kept.engine) throw new CxError("EDELETED", "base and store were made for different machines");
    return new OverlayDevice(secret, below.engine, await below.engine.call("openOverlay", below.id, kept.id));
  }
}

/** Files in memory, put there by the page. */
export class DataDevice extends FileTree {
  static async create() {
    const engine = currentEngine();
    return new DataDevice(secret, engine, await engine.call("openData"));
  }
}

/** A read-only file tree over HTTP GET. */
export class WebDevice extends FileTree {
  /** @param {string | URL} [url] */
  static async create(url = "") {
    const engine = currentEngine();
    const address = absoluteUrl(url);
    return new WebDevice(secret, engine, await engine.call("openWeb", address.endsWith("/") ? address : `${address}/`));
  }
}

/** A block device that is a file of another device. */
export class FileDevice extends BlockDevice {
  /**
   * @param {FileTree} parent
   * @param {string} name
   */
  static async create(parent, name) {
    const { engine, id } = locate(parent);
    if (!(parent instanceof FileTree)) throw new CxError("EARGUMENT", "the file must lie on a device with files");
    return new FileDevice(secret, engine, await engine.call("openFile", id, name));
  }
}

export { BlockDevice, FileTree };
