// The worker: owns the engine, its devices and machines, and answers the page.

import * as engine from "cx-engine";
import { CxError } from "../errors.js";
import { Endpoint, moved } from "../rpc.js";
import { Activity } from "./activity.js";
import { FileFetcher } from "./file.js";
import { HttpFetcher } from "./http.js";
import { IdbStore } from "./idb.js";
import { MachineHost } from "./machine.js";
import { MemoryStore } from "./memory-store.js";
import { threadPort, windowPort } from "./ports.js";
import { SplitFetcher, WebTree } from "./web-tree.js";

const thread = threadPort();
const activity = new Activity();

/**
 * A device of the page: a block device, a file tree, or a store that can become either.
 * @typedef {{block?: any, tree?: any, store?: any, overlay?: any, users: number}} Entry
 */
/** @type {Map<number, Entry>} */
const devices = new Map();
/** @type {Map<number, {host: MachineHost, uses: Entry[], listener: (name: string, value: any) => void}>} */
const machines = new Map();
let lastDevice = 0;

/** @param {Partial<Entry>} entry */
function add(entry) {
  lastDevice += 1;
  devices.set(lastDevice, { users: 0, ...entry });
  return lastDevice;
}

/** @param {number} id @returns {Entry} */
function device(id) {
  const entry = devices.get(id);
  if (!entry) throw new CxError("EDELETED", "that device is gone");
  return entry;
}

/** @param {number} id */
function blockOf(id) {
  const { block } = device(id);
  if (!block) throw new CxError("EMOUNT", "that device has no blocks; an ext2 mount needs a block device");
  return block;
}

/**
 * The file tree of a device. A store becomes a file system when it is first used as one.
 * @param {number} id
 */
async function treeOf(id) {
  const entry = device(id);
  if (entry.overlay) throw new CxError("EMOUNT", "that store is the write layer of an overlay, and holds no files of its own");
  if (!entry.tree && entry.store) entry.tree = engine.TreeHandle.persistent(entry.store);
  const tree = await entry.tree;
  if (!tree) throw new CxError("EMOUNT", "that device has no files; a dir mount needs a device with files");
  return tree;
}

/**
 * An operation on a tree; where the tree is mounted it needs the machine to run.
 * @template T
 * @param {number} id
 * @param {(tree: any) => Promise<T>} operation
 */
async function onTree(id, operation) {
  const result = operation(await treeOf(id));
  wakeAll();
  return result;
}

/** @param {number} id */
function machine(id) {
  const entry = machines.get(id);
  if (!entry) throw new CxError("EDELETED", "the machine was deleted");
  return entry.host;
}

/** @param {string} wasm */
async function loadEngine(wasm) {
  if (wasm.startsWith("file:")) {
    /** @type {typeof import("node:fs/promises")} */
    const fs = /** @type {any} */ (process.getBuiltinModule("node:fs/promises"));
    return fs.readFile(new URL(wasm));
  }
  const response = await fetch(wasm);
  if (!response.ok) throw new CxError("EENGINE", `the engine could not be loaded: ${wasm} answered ${response.status}`);
  // Compiling while it loads needs the right content type; a server without it is slower, not broken.
  if (response.headers.get("content-type") === "application/wasm") return response;
  return response.arrayBuffer();
}

/** A lock that tells the page when this worker is gone. */
async function aliveLock() {
  const locks = globalThis.navigator?.locks;
  if (!locks || thread) return null;
  const name = `cx-alive-${crypto.randomUUID()}`;
  await new Promise((held) => void locks.request(name, () => (held(undefined), new Promise(() => {}))));
  return name;
}

/** @param {string} url */
const fetcherFor = (url) => (url.startsWith("file:") ? new FileFetcher(url, activity) : new HttpFetcher(url, activity));

const endpoint = new Endpoint(thread ?? windowPort(), {
  start: async (/** @type {string} */ wasm) => {
    await engine.default({ module_or_path: await loadEngine(wasm) });
    engine.start();
    return aliveLock();
  },

  openHttp: async (/** @type {string} */ url) => add({ block: await engine.BlockHandle.http(fetcherFor(url)) }),
  openSplit: async (/** @type {string} */ url) => add({ block: await engine.BlockHandle.split(new SplitFetcher(url, activity)) }),
  openStore: async (/** @type {string} */ name) => {
    const inBrowser = typeof indexedDB !== "undefined";
    return add({ store: inBrowser ? await IdbStore.open(name, activity) : new MemoryStore(activity) });
  },
  openOverlay: async (/** @type {number} */ base, /** @type {number | null} */ store) => {
    const entry = store === null ? /** @type {Entry} */ ({ store: new MemoryStore(activity), users: 0 }) : device(store);
    if (entry.tree || entry.overlay) throw new CxError("EMOUNT", "that store is in use already; an overlay needs one of its own");
    // What was read is worth keeping only where it outlives the page.
    const keepReads = !(entry.store instanceof MemoryStore);
    entry.overlay = await engine.BlockHandle.overlay(blockOf(base), entry.store, keepReads);
    return add({ block: entry.overlay });
  },
  openData: () => add({ tree: engine.TreeHandle.data() }),
  openWeb: (/** @type {string} */ url) => add({ tree: engine.TreeHandle.web(new WebTree(url, activity)) }),
  openFile: async (/** @type {number} */ parent, /** @type {string} */ name) => add({ block: await (await treeOf(parent)).block_device(name) }),

  blockSize: (/** @type {number} */ id) => blockOf(id).size(),
  blockStats: () => ({ bytes: activity.bytes, requests: activity.requests, retries: 0 }),
  treeRead: async (/** @type {number} */ id, /** @type {string} */ path) => moved(await onTree(id, (tree) => tree.read_file(path))),
  treeWrite: (/** @type {number} */ id, /** @type {string} */ path, /** @type {Uint8Array} */ bytes) =>
    onTree(id, (tree) => tree.write_file(path, bytes)),
  treeList: (/** @type {number} */ id, /** @type {string} */ path) => onTree(id, (tree) => tree.list(path)),
  treeRemove: (/** @type {number} */ id, /** @type {string} */ path) => onTree(id, (tree) => tree.remove(path)),
  resetStore: async (/** @type {number} */ id) => {
    const entry = device(id);
    if (entry.users > 0) throw new CxError("EBUSY", "a machine uses that store; delete the machine first", { errno: 16 });
    entry.tree = undefined;
    await (entry.overlay ? entry.overlay.reset() : entry.store.clear());
  },

  createMachine: async (/** @type {number} */ id, /** @type {any} */ { mounts, ...config }) => {
    const host = new MachineHost(id, tell, fatal);
    /** @type {Entry[]} */
    const uses = [];
    const plain = [];
    for (const { type, path, dev } of mounts) {
      if (dev !== undefined) uses.push(...usersOf(dev));
      if (type === "ext2") plain.push({ type, path, block: blockOf(dev).share() });
      else if (type === "dir") plain.push({ type, path, tree: (await treeOf(dev)).share() });
      else plain.push({ type, path });
    }
    await host.create(engine, { ...config, mounts: plain });
    const listener = (/** @type {string} */ name, /** @type {any} */ value) => tell(id, name, value);
    activity.listeners.add(listener);
    for (const entry of uses) entry.users += 1;
    machines.set(id, { host, uses, listener });
  },
  deleteMachine: async (/** @type {number} */ id) => {
    const entry = machines.get(id);
    if (!entry) return;
    machines.delete(id);
    await entry.host.close();
    activity.listeners.delete(entry.listener);
    for (const used of entry.uses) used.users -= 1;
  },

  spawn: (/** @type {number} */ id, /** @type {number} */ run, /** @type {any} */ request) => machine(id).spawn(run, request),
  wait: (/** @type {number} */ id, /** @type {number} */ run) => machine(id).wait(run),
  kill: (/** @type {number} */ id, /** @type {number} */ run, /** @type {number} */ signal) => machine(id).kill(run, signal),
  writeStdin: (/** @type {number} */ id, /** @type {number} */ run, /** @type {Uint8Array} */ bytes) => machine(id).writeStdin(run, bytes),
  closeStdin: (/** @type {number} */ id, /** @type {number} */ run) => machines.get(id)?.host.closeStdin(run),
  closeOutput: (/** @type {number} */ id, /** @type {number} */ run, /** @type {number} */ fd) => machines.get(id)?.host.closeOutput(run, fd),
  consumed: (/** @type {number} */ id, /** @type {number} */ run, /** @type {number} */ fd, /** @type {number} */ bytes) =>
    machines.get(id)?.host.consumed(run, fd, bytes),

  attachConsole: (/** @type {number} */ id, /** @type {number} */ cols, /** @type {number} */ rows) => machine(id).attachConsole(cols, rows),
  resizeConsole: (/** @type {number} */ id, /** @type {number} */ cols, /** @type {number} */ rows) => machine(id).resizeConsole(cols, rows),
  activateConsole: () => {},
  consoleInput: (/** @type {number} */ id, /** @type {Uint8Array} */ bytes) => machines.get(id)?.host.consoleInput(bytes),
  consoleShown: (/** @type {number} */ id, /** @type {number} */ bytes) => machines.get(id)?.host.consoleShown(bytes),

  readFile: (/** @type {number} */ id, /** @type {string} */ path) => machine(id).readFile(path),
  writeFile: (/** @type {number} */ id, /** @type {string} */ path, /** @type {Uint8Array} */ bytes, /** @type {number} */ mode) =>
    machine(id).writeFile(path, bytes, mode),
  list: (/** @type {number} */ id, /** @type {string} */ path) => machine(id).list(path),
  remove: (/** @type {number} */ id, /** @type {string} */ path) => machine(id).remove(path),
  sync: (/** @type {number} */ id) => machine(id).sync(),
  stats: (/** @type {number} */ id) => ({ ...machine(id).stats(), fetchedBytes: activity.bytes, fetchRequests: activity.requests }),
});

/** The device and, for an overlay, the stores under it. @param {number} id */
function usersOf(id) {
  const entry = device(id);
  const stores = [...devices.values()].filter((other) => other.overlay && other.overlay === entry.block);
  return [entry, ...stores];
}

/**
 * @param {number} target
 * @param {string} name
 * @param {...any} args
 */
function tell(target, name, ...args) {
  endpoint.tell("event", target, name, ...args);
}

/** The engine cannot go on: its memory may be in any state. @param {unknown} error */
function fatal(error) {
  const text = error instanceof Error ? `${error.message}` : String(error);
  endpoint.tell("fatal", `the engine failed (${text}); reload the page. What was synced is safe`);
}

activity.wakers.add(wakeAll);

/** Devices' promises wake jobs of the machines. */
function wakeAll() {
  for (const { host } of machines.values()) host.wake();
}

