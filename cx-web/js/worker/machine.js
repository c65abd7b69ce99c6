// One machine in the worker: the engine's handle, its pump, and what goes between it and the page.

import { CxError } from "../errors.js";
import { moved } from "../rpc.js";
import { CONSOLE_WINDOW, STREAM_WINDOW } from "./limits.js";
import { Pump } from "./pump.js";

/** Standard input that waits in the engine, above which a writer waits too. */
const STDIN_WINDOW = 256 * 1024;

/** Output on its way to the page, with what the page has not confirmed. */
class Outlet {
  #unseen = 0;
  #held = false;
  open = true;

  /**
   * @param {object} ends
   * @param {() => Uint8Array | undefined} ends.take what came since the last call
   * @param {(held: boolean) => void} ends.hold stops or frees whoever prints
   * @param {(bytes: Uint8Array) => void} ends.send
   * @param {number} window
   */
  constructor(ends, window) {
    this.ends = ends;
    this.window = window;
  }

  flush() {
    if (!this.open) return;
    const bytes = this.ends.take();
    if (!bytes) return;
    this.#unseen += bytes.length;
    if (this.#unseen > this.window && !this.#held) {
      this.#held = true;
      this.ends.hold(true);
    }
    this.ends.send(bytes);
  }

  /** @param {number} bytes that the page is done with */
  confirm(bytes) {
    this.#unseen = Math.max(0, this.#unseen - bytes);
    if (this.#held && this.#unseen <= this.window / 2) {
      this.#held = false;
      this.ends.hold(false);
    }
  }
}

/**
 * A program, its outlets by descriptor, and who waits to write more.
 * @typedef {{process: any, outlets: Map<number, Outlet>, writers: (() => void)[]}} Run
 */

export class MachineHost {
  /** @type {any} null before it is made and after it is closed */
  #machine = null;
  /** @type {Map<number, Run>} */
  #runs = new Map();
  #console;
  #pump;
  /** Rejects when the machine is closed: what waits for it waits no longer. @type {Promise<never>} */
  #closed;
  #close = (/** @type {Error} */ _error) => {};
  #tell;
  #target;

  /**
   * @param {number} target number of the machine in events
   * @param {(target: number, name: string, ...args: any[]) => void} tell
   * @param {(error: unknown) => void} failed
   */
  constructor(target, tell, failed) {
    this.#target = target;
    this.#tell = tell;
    this.#closed = new Promise((_, reject) => (this.#close = reject));
    this.#closed.catch(() => {});
    this.#pump = new Pump({
      run: (until) => this.#machine.run(until),
      flush: () => this.#flush(),
      activity: (busy) => tell(target, "cpuActivity", busy ? "wait" : "ready"),
      failed,
    });
    this.#console = new Outlet(
      {
        take: () => this.#machine.take_console(),
        // Whatever prints, the machine waits: a terminal has no other way to be slow.
        hold: (held) => (held ? this.#pump.hold() : this.#pump.resume()),
        send: (bytes) => tell(target, "console", moved(bytes), 1),
      },
      CONSOLE_WINDOW,
    );
    this.#console.open = false;
  }

  /**
   * @param {any} engine the bindings
   * @param {any} config
   */
  async create(engine, config) {
    const host = {
      log: (/** @type {string} */ line) => this.#tell(this.#target, "log", line),
      wake: () => this.#pump.schedule(),
      processCreated: () => this.#tell(this.#target, "processCreated"),
    };
    this.#machine = await engine.MachineHandle.create(config, host);
    this.#pump.schedule();
  }

  wake() {
    if (this.#machine) this.#pump.schedule();
  }

  /**
   * @param {number} run
   * @param {any} request
   * @returns {Promise<number>} the process id
   */
  async spawn(run, request) {
    const process = await this.#during(this.#machine.spawn(request));
    /** @type {Run} */
    const entry = { process, outlets: new Map(), writers: [] };
    for (const [fd, name] of /** @type {[number, string][]} */ (request.streams ? [[1, "stdout"], [2, "stderr"]] : [])) {
      const ends = {
        take: () => process.take(fd),
        hold: (/** @type {boolean} */ held) => {
          process.hold(fd, held);
          this.#pump.schedule();
        },
        send: (/** @type {Uint8Array} */ bytes) => this.#tell(run, name, moved(bytes)),
      };
      entry.outlets.set(fd, new Outlet(ends, STREAM_WINDOW));
    }
    this.#runs.set(run, entry);
    return process.pid();
  }

  /** @param {number} run */
  async wait(run) {
    const entry = this.#run(run);
    const status = await this.#during(entry.process.wait());
    this.#flush();
    this.#tell(run, "ended");
    for (const fd of entry.outlets.keys()) entry.process.close_output(fd);
    this.#runs.delete(run);
    for (const resume of entry.writers) resume();
    return { status };
  }

  /**
   * @param {number} run
   * @param {number} signal
   */
  kill(run, signal) {
    this.#run(run).process.kill(signal);
    this.#pump.schedule();
  }

  /**
   * @param {number} run
   * @param {Uint8Array} bytes
   */
  async writeStdin(run, bytes) {
    const entry = this.#run(run);
    entry.process.write_stdin(bytes);
    this.#pump.schedule();
    while (entry.process.stdin_backlog() > STDIN_WINDOW && this.#runs.has(run)) {
      await Promise.race([new Promise((resolve) => entry.writers.push(() => resolve(undefined))), this.#closed]);
    }
  }

  /** @param {number} run */
  closeStdin(run) {
    this.#runs.get(run)?.process.close_stdin();
    this.#pump.schedule();
  }

  /**
   * The page wants no more of a stream.
   * @param {number} run
   * @param {number} fd
   */
  closeOutput(run, fd) {
    this.#runs.get(run)?.process.close_output(fd);
    this.#pump.schedule();
  }

  /**
   * @param {number} run
   * @param {number} fd
   * @param {number} bytes
   */
  consumed(run, fd, bytes) {
    this.#runs.get(run)?.outlets.get(fd)?.confirm(bytes);
  }

  /**
   * @param {number} cols
   * @param {number} rows
   */
  attachConsole(cols, rows) {
    if (!this.#machine) return;
    this.#console.open = true;
    this.#machine.attach_console();
    this.resizeConsole(cols, rows);
    this.#console.flush();
  }

  /**
   * @param {number} cols
   * @param {number} rows
   */
  resizeConsole(cols, rows) {
    this.#machine?.resize_console(cols, rows);
    this.#pump.schedule();
  }

  /** @param {Uint8Array} bytes */
  consoleInput(bytes) {
    this.#machine?.console_input(bytes);
    this.#pump.schedule();
  }

  /** @param {number} bytes */
  consoleShown(bytes) {
    this.#console.confirm(bytes);
  }

  /** @param {string} path */
  async readFile(path) {
    return moved(await this.#during(this.#machine.read_file(path)));
  }

  /**
   * @param {string} path
   * @param {Uint8Array} bytes
   * @param {number} mode
   */
  writeFile(path, bytes, mode) {
    return this.#during(this.#machine.write_file(path, bytes, mode));
  }

  /** @param {string} path */
  list(path) {
    return this.#during(this.#machine.list(path));
  }

  /** @param {string} path */
  remove(path) {
    return this.#during(this.#machine.remove(path));
  }

  sync() {
    return this.#during(this.#machine.sync());
  }

  stats() {
    return JSON.parse(this.#machine.stats());
  }

  /** Stops the processes, and brings what they wrote to the stores. */
  async close() {
    this.#pump.stop();
    if (!this.#machine) return;
    const machine = this.#machine;
    this.#machine = null;
    this.#close(new CxError("EDELETED", "the machine was deleted"));
    for (const run of this.#runs.keys()) this.#tell(run, "ended");
    await machine.stop();
  }

  /**
   * An operation that may need the machine to run, and may wake something in it.
   * @template T
   * @param {Promise<T>} operation
   */
  async #during(operation) {
    this.#pump.schedule();
    try {
      return await Promise.race([operation, this.#closed]);
    } finally {
      this.#pump.schedule();
    }
  }

  /** @param {number} run */
  #run(run) {
    const entry = this.#runs.get(run);
    if (!entry) throw new CxError("ESRCH", "the program has ended", { errno: 3 });
    return entry;
  }

  #flush() {
    if (!this.#machine) return;
    this.#console.flush();
    for (const { outlets, writers } of this.#runs.values()) {
      for (const outlet of outlets.values()) outlet.flush();
      // Each looks again whether there is room.
      for (const resume of writers.splice(0)) resume();
    }
  }
}
