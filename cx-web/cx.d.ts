// Types of the API. A test checks them against the code.

/** An error with a stable `code`: an errno name (`"ENOENT"`) or one of those below. */
export type CxErrorCode =
  | "EHTTPRANGE" | "EBASECHANGED" | "ELOCKED" | "ESTORE" | "EENGINE" | "EDELETED" | "EMOUNT" | "EUNSUPPORTED" | "EARGUMENT"
  | (string & {});

export class CxError extends Error {
  constructor(code: CxErrorCode, message?: string, more?: { errno?: number; cause?: unknown });
  readonly code: CxErrorCode;
  /** The Linux error number, where the error has one. */
  readonly errno: number | undefined;
}

export interface DirectoryEntry {
  name: string;
  type: "file" | "directory" | "symlink" | "device" | "fifo" | "socket";
  /** Bytes. */
  size: number;
  /** Permission bits. */
  mode: number;
  /** Milliseconds since 1970. */
  modified: number;
}

declare class Device {
  protected constructor(...internal: never[]);
}

export class BlockDevice extends Device {
  /** Bytes in the device. */
  size(): Promise<number>;
  /** What came over the network so far. */
  stats(): Promise<{ bytes: number; requests: number; retries: number }>;
}

export class FileTree extends Device {
  readFile(path: string): Promise<Uint8Array>;
  writeFile(path: string, data: string | Uint8Array | ArrayBuffer): Promise<void>;
  list(path: string): Promise<DirectoryEntry[]>;
  remove(path: string): Promise<void>;
}

/** Read-only block device over HTTP range requests; the server must answer 206 and send ETag or Last-Modified. */
export class HttpBytesDevice extends BlockDevice {
  static create(url: string | URL): Promise<HttpBytesDevice>;
}

/** The same for a `wss:` or `https:` address. */
export class CloudDevice extends BlockDevice {
  static create(url: string | URL): Promise<CloudDevice>;
}

/** An image split into files: `<url>.meta` and `<url>.cXXXXXX.txt` of 128 KiB each. */
export class GitHubDevice extends BlockDevice {
  static create(url: string | URL): Promise<GitHubDevice>;
}

/** Storage that outlives the page: a file system of its own, or the write layer of an overlay. */
export class IDBDevice extends FileTree {
  static create(name: string): Promise<IDBDevice>;
  readFileAsBlob(path: string): Promise<Blob>;
  /** Forgets everything stored. */
  reset(): Promise<void>;
}

/** Copy-on-write and read cache over a base that is never written. */
export class OverlayDevice extends BlockDevice {
  /** Without a store the writes live in memory. */
  static create(base: BlockDevice, store?: IDBDevice): Promise<OverlayDevice>;
}

/** Files in memory, put there by the page. */
export class DataDevice extends FileTree {
  static create(): Promise<DataDevice>;
}

/** Read-only file tree over HTTP GET; directories are listed by their `index.list`. */
export class WebDevice extends FileTree {
  static create(url?: string | URL): Promise<WebDevice>;
}

/** Block device that is a file of another device. */
export class FileDevice extends BlockDevice {
  static create(parent: FileTree, name: string): Promise<FileDevice>;
}

export interface Mount {
  type: "ext2" | "dir" | "devs" | "devpts" | "proc" | "sys" | "tmpfs";
  path: string;
  dev?: BlockDevice | FileTree;
}

export interface LinuxOptions {
  /** The first must be `/`. Without any, the page's own HTTP origin is `/`. */
  mounts?: Mount[];
  /** Reserved. */
  networkInterface?: object;
  /** Guest memory in MiB. */
  memory?: number;
  hostname?: string;
  /**
   * What the processor offers to programs: SSE3 and nothing later (`x86-64`, the default), SSE4.2 (`x86-64-v2`), AVX2 and
   * FMA (`x86-64-v3`), or all that the engine executes (`full`).
   */
  cpu?: "x86-64" | "x86-64-v2" | "x86-64-v3" | "full";
  /**
   * What runs programs: `jit` interprets, and translates hot code to WebAssembly (the default; where a content security
   * policy forbids that, it interprets alone); `interp` interprets; `jit-eager` translates nearly all, which is slow, for tests.
   */
  engine?: "interp" | "jit" | "jit-eager";
  /** Print every system call through the `log` event. */
  strace?: boolean;
}

export interface RunOptions {
  /** `KEY=VALUE` each. */
  env?: string[];
  cwd?: string;
  uid?: number;
  gid?: number;
  /** `console` (default): descriptors 0 to 2 are the console. `streams`: they are streams of the handle. */
  stdio?: "console" | "streams";
}

export interface ExitStatus {
  /** Exit status, or 128 + signal. */
  status: number;
}

/** The promise of a program's end, with a handle on the living program. */
export interface Process extends Promise<ExitStatus> {
  /** Resolves when execve succeeded. */
  readonly pid: Promise<number>;
  /** Sends a signal: a number, or a name such as `"SIGINT"`. Default SIGTERM. */
  kill(signal?: number | string): Promise<void>;
  /** Null unless `stdio` is `"streams"`. */
  readonly stdin: WritableStream<string | Uint8Array> | null;
  readonly stdout: ReadableStream<Uint8Array> | null;
  readonly stderr: ReadableStream<Uint8Array> | null;
}

/** Takes one input code, as `String.charCodeAt` gives it. */
export interface ConsoleInput {
  (code: number): void;
  /** Sends text or bytes. */
  write(data: string | Uint8Array): void;
  resize(cols: number, rows: number): void;
}

export interface TerminalOptions {
  theme?: "dark" | "light";
  fontFamily?: string;
  fontSize?: number;
  /** Lines. */
  scrollback?: number;
}

export interface TerminalHandle {
  /** The xterm.js terminal. */
  readonly terminal: any;
  fit(): void;
  focus(): void;
  setTheme(theme: "dark" | "light"): void;
  setFontSize(pixels: number): void;
  dispose(): void;
}

export interface MachineStats {
  /** Guest instructions. */
  instructions: number;
  syscalls: number;
  /** Processes and zombies. */
  processes: number;
  fetchedBytes: number;
  fetchRequests: number;
  [counter: string]: unknown;
}

export interface MachineEvents {
  cpuActivity: "ready" | "wait";
  diskActivity: "ready" | "wait";
  /** Milliseconds of one operation. */
  diskLatency: number;
  processCreated: undefined;
  /** What came over the network so far. */
  progress: { bytes: number; requests: number };
  /** Unknown system calls, traces. */
  log: string;
}

export type MachineEvent = keyof MachineEvents;

export class Linux {
  private constructor(...internal: never[]);
  static create(options?: LinuxOptions): Promise<Linux>;
  /** A `path` without a slash is looked for in the `PATH` of `env`, as `execvp` does. */
  run(path: string, args?: string[], options?: RunOptions): Process;
  setConsole(element: HTMLElement, options?: TerminalOptions): Promise<TerminalHandle>;
  setCustomConsole(write: (bytes: Uint8Array, vt: number) => unknown, cols: number, rows: number): ConsoleInput;
  resizeConsole(cols: number, rows: number): void;
  setActivateConsole(callback: (vt: number) => void): (vt: number) => void;
  setKmsCanvas(canvas?: HTMLCanvasElement, width?: number, height?: number): void;
  networkLogin(): Promise<void>;
  registerCallback<E extends MachineEvent>(event: E, callback: (value: MachineEvents[E]) => void): void;
  unregisterCallback<E extends MachineEvent>(event: E, callback: (value: MachineEvents[E]) => void): void;
  readFile(path: string): Promise<Uint8Array>;
  writeFile(path: string, data: string | Uint8Array | ArrayBuffer, options?: { mode?: number }): Promise<void>;
  list(path: string): Promise<DirectoryEntry[]>;
  remove(path: string): Promise<void>;
  /** Writes everything to stable storage. */
  sync(): Promise<void>;
  stats(): Promise<MachineStats>;
  delete(): Promise<void>;
}
