// Lets the machine run: in short batches, with a look at the worker's messages in between.

import { BATCH_MS } from "./limits.js";

/** What `run` answers besides a moment. */
export const MORE = 0;
export const IDLE = -1;

export class Pump {
  #channel = new MessageChannel();
  #queued = false;
  #stopped = false;
  #holds = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #busy = false;

  /**
   * @param {object} machine
   * @param {(until: number) => number} machine.run runs until about that moment; answers {@link MORE}, {@link IDLE},
   * or the moment of the next deadline
   * @param {() => void} machine.flush hands over what the batch put out
   * @param {(busy: boolean) => void} machine.activity
   * @param {(error: unknown) => void} machine.failed
   */
  constructor(machine) {
    this.machine = machine;
    this.#channel.port1.onmessage = () => this.#batch();
  }

  /** Something may be ready: run soon. A message comes sooner than any timer, and after waiting microtasks. */
  schedule() {
    if (this.#queued || this.#stopped || this.#holds > 0) return;
    this.#queued = true;
    this.#channel.port2.postMessage(0);
  }

  /** Nothing runs until {@link Pump.resume}: the page does not keep up. */
  hold() {
    this.#holds += 1;
  }

  resume() {
    this.#holds = Math.max(0, this.#holds - 1);
    this.schedule();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#channel.port1.close();
    this.#channel.port2.close();
  }

  #batch() {
    this.#queued = false;
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    let next;
    try {
      next = this.machine.run(performance.now() + BATCH_MS);
    } catch (error) {
      this.stop();
      this.machine.failed(error);
      return;
    }
    this.machine.flush();
    this.#tellActivity(next === MORE);
    if (next === MORE) this.schedule();
    else if (next !== IDLE && !this.#stopped) {
      // Timers take at most 31 bits of milliseconds.
      const wait = Math.min(Math.max(0, next - performance.now()), 0x7fffffff);
      this.#timer = setTimeout(() => this.schedule(), wait);
    }
  }

  /** @param {boolean} busy */
  #tellActivity(busy) {
    if (busy === this.#busy) return;
    this.#busy = busy;
    this.machine.activity(busy);
  }
}
