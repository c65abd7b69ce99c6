// One run of a program: a promise of its status, with a handle on the living process.

import { CxError } from "./errors.js";
import { moved } from "./rpc.js";
import { toBytes } from "./devices.js";

/** @typedef {import("./engine.js").Engine} Engine */

const SIGNALS = /** @type {Record<string, number>} */ ({
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGUSR1: 10,
  SIGSEGV: 11, SIGUSR2: 12, SIGPIPE: 13, SIGALRM: 14, SIGTERM: 15, SIGSTKFLT: 16, SIGCHLD: 17, SIGCONT: 18, SIGSTOP: 19,
  SIGTSTP: 20, SIGTTIN: 21, SIGTTOU: 22, SIGURG: 23, SIGXCPU: 24, SIGXFSZ: 25, SIGVTALRM: 26, SIGPROF: 27,
  SIGWINCH: 28, SIGIO: 29, SIGPWR: 30, SIGSYS: 31,
});

/** @param {number | string} signal */
function signalNumber(signal) {
  const number = typeof signal === "string" ? SIGNALS[signal.startsWith("SIG") ? signal : `SIG${signal}`] : signal;
  if (!Number.isInteger(number) || number < 0 || number > 64) throw new CxError("EINVAL", `${signal} is not a signal`, { errno: 22 });
  return number;
}

/**
 * What the guest writes to one descriptor, as a stream. The worker is told what was consumed, and stops the guest
 * when too much is not.
 */
class OutputStream {
  /** @type {ReadableStreamDefaultController<Uint8Array> | undefined} */
  #controller;
  #open = true;

  /**
   * @param {(bytes: number) => void} consumed
   * @param {() => void} cancelled
   */
  constructor(consumed, cancelled) {
    /** @type {number[]} */
    const sizes = [];
    this.sizes = sizes;
    this.stream = new ReadableStream(
      {
        start: (controller) => void (this.#controller = controller),
        // Called when the reader took something: all before the newest chunk is gone.
        pull: () => {
          const done = sizes.splice(0).reduce((sum, size) => sum + size, 0);
          if (done > 0) consumed(done);
        },
        cancel: () => {
          this.#open = false;
          cancelled();
        },
      },
      { highWaterMark: 1 },
    );
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    if (!this.#open) return;
    this.sizes.push(bytes.length);
    this.#controller?.enqueue(bytes);
  }

  end() {
    if (!this.#open) return;
    this.#open = false;
    this.#controller?.close();
  }

  /** @param {Error} error */
  fail(error) {
    if (!this.#open) return;
    this.#open = false;
    this.#controller?.error(error);
  }
}

/**
 * Adds the handle's members to the promise of a run.
 * @param {Engine} engine
 * @param {number} machine
 * @param {number} target number under which the worker knows the run
 * @param {Promise<number>} started the process id, once execve succeeded
 * @param {Promise<import("../cx.d.ts").ExitStatus>} ended
 * @param {boolean} streams
 * @returns {import("../cx.d.ts").Process}
 */
export function makeProcess(engine, machine, target, started, ended, streams) {
  // A caller who only wants the status need not listen to both.
  started.catch(() => {});
  const members = {
    pid: started,
    kill: async (/** @type {number | string} */ signal = 15) => {
      await started;
      await engine.call("kill", machine, target, signalNumber(signal));
    },
  };
  if (!streams) return Object.assign(ended, members, { stdin: null, stdout: null, stderr: null });

  const consumed = (/** @type {number} */ fd) => (/** @type {number} */ bytes) => engine.tell("consumed", machine, target, fd, bytes);
  const cancelled = (/** @type {number} */ fd) => () => engine.tell("closeOutput", machine, target, fd);
  const stdout = new OutputStream(consumed(1), cancelled(1));
  const stderr = new OutputStream(consumed(2), cancelled(2));
  engine.receive(target, {
    stdout: (bytes) => stdout.push(bytes),
    stderr: (bytes) => stderr.push(bytes),
    ended: () => {
      stdout.end();
      stderr.end();
      engine.forget(target);
    },
    closed: (error) => {
      stdout.fail(error);
      stderr.fail(error);
    },
  });
  const stdin = new WritableStream({
    // The worker knows the run once its program has started.
    start: () => started.then(() => {}),
    write: async (/** @type {string | Uint8Array} */ chunk) => {
      await engine.call("writeStdin", machine, target, moved(toBytes(chunk)));
    },
    close: async () => {
      await engine.call("closeStdin", machine, target);
    },
    abort: () => engine.tell("closeStdin", machine, target),
  });
  return Object.assign(ended, members, { stdin, stdout: stdout.stream, stderr: stderr.stream });
}
