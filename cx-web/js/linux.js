// The machine as a page sees it.

import { InputEncoder, InputQueue } from "./console-input.js";
import { locate, toBytes, WebDevice } from "./devices.js";
import { currentEngine, newTarget } from "./engine.js";
import { asCxError, CxError } from "./errors.js";
import { makeProcess } from "./process.js";
import { moved } from "./rpc.js";
import { scriptUrl } from "./script-url.js";

/** @typedef {import("../cx.d.ts").MachineEvent} MachineEvent */

const EVENTS = /** @type {const} */ (["cpuActivity", "diskActivity", "diskLatency", "processCreated", "progress", "log"]);
const MOUNT_TYPES = ["ext2", "dir", "devs", "devpts", "proc", "sys", "tmpfs"];
const NEEDS_DEVICE = ["ext2", "dir"];

/**
 * Mounts as the worker takes them. Mistakes are found here, where the message can name the entry.
 * @param {import("../cx.d.ts").Mount[]} mounts
 */
function checkMounts(mounts) {
  if (!Array.isArray(mounts) || mounts.length === 0) throw new CxError("EMOUNT", "`mounts` must be a list that starts with `/`");
  /** @type {import("./engine.js").Engine | undefined} */
  let engine;
  const plain = mounts.map(({ type, path, dev }, index) => {
    const name = `mounts[${index}]`;
    if (!MOUNT_TYPES.includes(type)) throw new CxError("EMOUNT", `${name}: type ${type} is not one of ${MOUNT_TYPES.join(", ")}`);
    if (typeof path !== "string" || !path.startsWith("/")) throw new CxError("EMOUNT", `${name}: the path must start with /`);
    if (index === 0 && path !== "/") throw new CxError("EMOUNT", "the first mount must be /");
    if (!NEEDS_DEVICE.includes(type)) return { type, path };
    if (!dev) throw new CxError("EMOUNT", `${name}: a mount of type ${type} needs a device in \`dev\``);
    const place = locate(/** @type {any} */ (dev));
    if (engine && engine !== place.engine) throw new CxError("EDELETED", `${name}: its device was made for another machine; create it anew`);
    engine = place.engine;
    return { type, path, dev: place.id };
  });
  return { engine: engine ?? currentEngine(), plain };
}

export class Linux {
  #engine;
  #id;
  /** @type {Map<string, Set<(value: any) => void>>} */
  #callbacks = new Map();
  /** @type {((bytes: Uint8Array, vt: number) => any) | null} */
  #write = null;
  /** @type {Error | null} */
  #gone = null;
  /** @type {((vt: number) => void) | null} */
  #activate = null;

  /**
   * @param {import("./engine.js").Engine} engine
   * @param {number} id
   */
  constructor(engine, id) {
    this.#engine = engine;
    this.#id = id;
  }

  /**
   * A machine that is ready to run programs.
   * @param {import("../cx.d.ts").LinuxOptions} [options]
   */
  static async create(options = {}) {
    let mounts = options.mounts;
    if (!mounts || mounts.length === 0) {
      const origin = globalThis.location?.origin;
      if (!origin) throw new CxError("EMOUNT", "outside a page there is no origin to mount as /; pass `mounts`");
      mounts = [{ type: "dir", path: "/", dev: await WebDevice.create(`${origin}/`) }];
    }
    const { engine, plain } = checkMounts(mounts);
    const id = newTarget();
    const linux = new Linux(engine, id);
    engine.receive(id, linux.#receivers());
    engine.addMachine();
    try {
      const { memory, hostname, cpu, engine: execution, strace } = options;
      await engine.call("createMachine", id, { mounts: plain, memory, hostname, cpu, engine: execution, strace: Boolean(strace) });
    } catch (error) {
      engine.forget(id);
      engine.removeMachine();
      throw asCxError(error);
    }
    return linux;
  }

  #receivers() {
    const emit = (/** @type {MachineEvent} */ event) => (/** @type {any} */ value) => {
      for (const callback of [...(this.#callbacks.get(event) ?? [])]) callback(value);
    };
    return {
      ...Object.fromEntries(EVENTS.map((event) => [event, emit(event)])),
      console: (/** @type {Uint8Array} */ bytes, /** @type {number} */ vt) => void this.#show(bytes, vt),
      activate: (/** @type {number} */ vt) => this.#activate?.(vt),
      closed: (/** @type {Error} */ error) => (this.#gone = error),
    };
  }

  /**
   * Hands output to the console, and tells the worker when the console is done with it.
   * @param {Uint8Array} bytes
   * @param {number} vt
   */
  async #show(bytes, vt) {
    const size = bytes.length;
    try {
      await this.#write?.(bytes, vt);
    } finally {
      this.#engine.tell("consoleShown", this.#id, size);
    }
  }

  /**
   * Runs a program and waits for its end.
   * @param {string} path
   * @param {string[]} [args] without the program's name
   * @param {import("../cx.d.ts").RunOptions} [options]
   * @returns {import("../cx.d.ts").Process}
   */
  run(path, args = [], options = {}) {
    const target = newTarget();
    const streams = options.stdio === "streams";
    const strings = (/** @type {unknown} */ list) => Array.isArray(list) && list.every((item) => typeof item === "string" && !item.includes("\0"));
    /** @type {Promise<number>} */
    let started;
    if (typeof path !== "string" || !strings(args) || !strings(options.env ?? [])) {
      started = Promise.reject(new CxError("EARGUMENT", "run(path, args, {env}): path is a string, args and env are lists of strings"));
    } else {
      const { env = [], cwd = "/", uid = 0, gid = 0 } = options;
      started = this.#call("spawn", target, { path, args, env, cwd, uid, gid, streams });
    }
    const ended = started.then(() => this.#call("wait", target));
    return makeProcess(this.#engine, this.#id, target, started, ended, streams);
  }

  /**
   * A terminal inside an element.
   * @param {HTMLElement} element
   * @param {import("../cx.d.ts").TerminalOptions} [options]
   */
  async setConsole(element, options = {}) {
    /** @type {typeof import("./terminal.js")} */
    const { openTerminal } = await import(/* @vite-ignore */ new URL("terminal.js", scriptUrl).href);
    return openTerminal(this, element, options);
  }

  /**
   * Output of the text console goes to `write`, which may return a promise of being done; the result takes one input
   * code at a time.
   * @param {(bytes: Uint8Array, vt: number) => any} write
   * @param {number} cols
   * @param {number} rows
   * @returns {import("../cx.d.ts").ConsoleInput}
   */
  setCustomConsole(write, cols, rows) {
    this.#write = write;
    const encoder = new InputEncoder();
    const queue = new InputQueue((bytes) => this.#engine.tell("consoleInput", this.#id, moved(bytes)));
    this.#engine.tell("attachConsole", this.#id, cols, rows);
    const send = (/** @type {number} */ code) => queue.push(encoder.encode(code));
    return Object.assign(send, {
      write: (/** @type {string | Uint8Array} */ data) => queue.push(toBytes(data)),
      resize: (/** @type {number} */ newCols, /** @type {number} */ newRows) => this.resizeConsole(newCols, newRows),
    });
  }

  /**
   * The console has a new size; the guest is told by SIGWINCH.
   * @param {number} cols
   * @param {number} rows
   */
  resizeConsole(cols, rows) {
    this.#engine.tell("resizeConsole", this.#id, cols, rows);
  }

  /**
   * `callback` is called when the guest wants another virtual terminal shown.
   * @param {(vt: number) => void} callback
   * @returns {(vt: number) => void} tells the guest which one is shown
   */
  setActivateConsole(callback) {
    this.#activate = callback;
    return (vt) => this.#engine.tell("activateConsole", this.#id, vt);
  }

  /** The display comes with a later version. */
  setKmsCanvas() {
    throw new CxError("EUNSUPPORTED", "graphics are not built yet; use the text console");
  }

  /** Networking comes with a later version. */
  async networkLogin() {
    throw new CxError("EUNSUPPORTED", "networking is not built yet");
  }

  /**
   * @param {MachineEvent} event
   * @param {(value: any) => void} callback
   */
  registerCallback(event, callback) {
    if (!EVENTS.includes(event)) throw new CxError("EARGUMENT", `${event} is not one of ${EVENTS.join(", ")}`);
    const callbacks = this.#callbacks.get(event) ?? new Set();
    this.#callbacks.set(event, callbacks.add(callback));
  }

  /**
   * @param {MachineEvent} event
   * @param {(value: any) => void} callback
   */
  unregisterCallback(event, callback) {
    this.#callbacks.get(event)?.delete(callback);
  }

  /** @param {string} path @returns {Promise<Uint8Array>} */
  readFile(path) {
    return this.#call("readFile", path);
  }

  /**
   * Creates or replaces a file.
   * @param {string} path
   * @param {string | Uint8Array | ArrayBuffer} data
   * @param {{mode?: number}} [options]
   */
  async writeFile(path, data, options = {}) {
    await this.#call("writeFile", path, moved(toBytes(data)), options.mode ?? 0o644);
  }

  /** @param {string} path @returns {Promise<import("../cx.d.ts").DirectoryEntry[]>} */
  list(path) {
    return this.#call("list", path);
  }

  /** Removes a file or an empty directory. @param {string} path */
  async remove(path) {
    await this.#call("remove", path);
  }

  /** Writes everything that programs wrote to stable storage, as `sync` does. */
  async sync() {
    await this.#call("sync");
  }

  /** Counters of the machine. @returns {Promise<import("../cx.d.ts").MachineStats>} */
  stats() {
    return this.#call("stats");
  }

  /** Stops every process, and frees the worker when it holds no other machine. */
  async delete() {
    if (this.#gone) return;
    try {
      await this.#call("deleteMachine");
    } finally {
      this.#gone ??= new CxError("EDELETED", "the machine was deleted");
      this.#engine.forget(this.#id);
      this.#engine.removeMachine();
    }
  }

  /**
   * @param {string} method
   * @param {...any} args
   * @returns {Promise<any>}
   */
  #call(method, ...args) {
    return this.#gone ? Promise.reject(this.#gone) : this.#engine.call(method, this.#id, ...args);
  }
}
