// Blocks in IndexedDB. One transaction per batch: a crash leaves whole batches, in their order.

import { CxError } from "../errors.js";

const BLOCKS = "blocks";
const META = "meta";
const FLUSHED = "flushed";

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(storeError(request.error));
  });
}

/**
 * @param {IDBTransaction} transaction
 * @returns {Promise<void>}
 */
function done(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(storeError(transaction.error));
  });
}

/** @param {DOMException | null} error */
function storeError(error) {
  if (error?.name === "QuotaExceededError") {
    return new CxError("ENOSPC", "the browser gives this page no more storage; free some, or reset the local disk", { errno: 28, cause: error });
  }
  return new CxError("EIO", `the browser's storage failed: ${error?.message ?? "the transaction was aborted"}`, { errno: 5, cause: error ?? undefined });
}

export class IdbStore {
  #db;
  #release;

  /**
   * @param {IDBDatabase} db
   * @param {() => void} release
   * @param {import("./activity.js").Activity} activity
   */
  constructor(db, release, activity) {
    this.#db = db;
    this.#release = release;
    this.activity = activity;
  }

  /**
   * Opens a store that nobody else holds.
   * @param {string} name
   * @param {import("./activity.js").Activity} activity
   */
  static async open(name, activity) {
    const release = await hold(`cx-store-${name}`, name);
    try {
      const open = indexedDB.open(`cx-${name}`, 1);
      open.onupgradeneeded = () => {
        open.result.createObjectStore(BLOCKS);
        open.result.createObjectStore(META);
      };
      return new IdbStore(await answer(open), release, activity);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @param {number} index @returns {Promise<Uint8Array | undefined>} */
  get(index) {
    return this.activity.during(() => answer(this.#store("readonly", BLOCKS).get(index)));
  }

  /** @returns {Promise<Float64Array>} */
  indices() {
    return this.activity.during(async () => {
      const keys = await answer(this.#store("readonly", BLOCKS).getAllKeys());
      return Float64Array.from(/** @type {number[]} */ (keys));
    });
  }

  /**
   * Puts all blocks or none.
   * @param {number[]} indices
   * @param {Uint8Array[]} blocks
   */
  putMany(indices, blocks) {
    return this.activity.during(async () => {
      const transaction = this.#db.transaction(BLOCKS, "readwrite");
      const store = transaction.objectStore(BLOCKS);
      indices.forEach((index, at) => store.put(blocks[at], index));
      await done(transaction);
    });
  }

  /** @param {string} key @returns {Promise<Uint8Array | undefined>} */
  getMeta(key) {
    return this.activity.during(() => answer(this.#store("readonly", META).get(key)));
  }

  /**
   * @param {string} key
   * @param {Uint8Array} value
   */
  putMeta(key, value) {
    return this.activity.during(async () => {
      const transaction = this.#db.transaction(META, "readwrite");
      transaction.objectStore(META).put(value, key);
      await done(transaction);
    });
  }

  /** Makes everything put before durable: a strict transaction forces out the log it shares with the others. */
  flush() {
    return this.activity.during(async () => {
      const transaction = this.#db.transaction([META, BLOCKS], "readwrite", { durability: "strict" });
      transaction.objectStore(META).put(Uint8Array.of(1), FLUSHED);
      await done(transaction);
    });
  }

  clear() {
    return this.activity.during(async () => {
      const transaction = this.#db.transaction([META, BLOCKS], "readwrite", { durability: "strict" });
      transaction.objectStore(META).clear();
      transaction.objectStore(BLOCKS).clear();
      await done(transaction);
    });
  }

  close() {
    this.#db.close();
    this.#release();
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {string} name
   */
  #store(mode, name) {
    return this.#db.transaction(name, mode).objectStore(name);
  }
}

/** How long a page that is just going away may keep its lock after a reload. */
const GRACE_MS = 700;

/**
 * Takes the lock of a store.
 * @param {string} lockName
 * @param {string} name for the message
 * @returns {Promise<() => void>} releases it
 */
async function hold(lockName, name) {
  const locks = globalThis.navigator?.locks;
  const busy = () =>
    new CxError("ELOCKED", `the store "${name}" is in use by another tab; close the other tab, or use a store of another name`);
  if (!locks) return holdByChannel(lockName, busy);
  return new Promise((resolve, reject) => {
    locks
      .request(lockName, { signal: AbortSignal.timeout(GRACE_MS) }, () => new Promise((release) => resolve(() => release(undefined))))
      .catch((error) => reject(error?.name === "TimeoutError" || error?.name === "AbortError" ? busy() : error));
  });
}

/**
 * Pages that are not a secure context have no locks: ask whether anybody holds it.
 * @param {string} lockName
 * @param {() => Error} busy
 * @returns {Promise<() => void>}
 */
async function holdByChannel(lockName, busy) {
  if (typeof BroadcastChannel === "undefined") return () => {};
  const channel = new BroadcastChannel(lockName);
  const taken = await new Promise((resolve) => {
    channel.onmessage = (event) => event.data === "held" && resolve(true);
    channel.postMessage("who");
    setTimeout(() => resolve(false), GRACE_MS / 2);
  });
  if (taken) {
    channel.close();
    throw busy();
  }
  channel.onmessage = (event) => event.data === "who" && channel.postMessage("held");
  return () => channel.close();
}
