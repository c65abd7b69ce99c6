// The pump: batches, timers, holding, and what it does with a machine that fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { IDLE, MORE, Pump } from "../js/worker/pump.js";

/** @param {(until: number) => number} run */
function pumpOf(run) {
  const log = /** @type {any[]} */ ([]);
  const pump = new Pump({
    run: (until) => {
      log.push("run");
      return run(until);
    },
    flush: () => log.push("flush"),
    activity: (busy) => log.push(busy ? "busy" : "idle"),
    failed: (error) => log.push(`failed: ${/** @type {Error} */ (error).message}`),
  });
  return { pump, log };
}

const wait = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("it runs while there is more, and says when it is busy", async () => {
  let left = 3;
  const { pump, log } = pumpOf(() => (--left > 0 ? MORE : IDLE));
  pump.schedule();
  pump.schedule();
  await wait(20);
  assert.deepEqual(log, ["run", "flush", "busy", "run", "flush", "run", "flush", "idle"]);
  pump.stop();
});

test("it lets messages in between batches", async () => {
  let turned = 0;
  const { pump } = pumpOf(() => (++turned, MORE));
  pump.schedule();
  await wait(30);
  pump.stop();
  const at = turned;
  assert.ok(at > 1);
  await wait(10);
  assert.equal(turned, at, "and stops when it is told to");
});

test("it sleeps until the next deadline, and no longer when something comes", async () => {
  let times = 0;
  const { pump } = pumpOf(() => (++times === 1 ? performance.now() + 60 : IDLE));
  pump.schedule();
  await wait(25);
  assert.equal(times, 1);
  await wait(70);
  assert.equal(times, 2);
  times = 0;
  pump.schedule();
  await wait(10);
  pump.schedule();
  await wait(10);
  assert.equal(times, 2);
  await wait(70);
  assert.equal(times, 2, "the old deadline is forgotten");
  pump.stop();
});

test("held, it does nothing; freed, it goes on", async () => {
  let times = 0;
  const { pump } = pumpOf(() => (++times, IDLE));
  pump.hold();
  pump.hold();
  pump.schedule();
  await wait(10);
  pump.resume();
  await wait(10);
  assert.equal(times, 0);
  pump.resume();
  await wait(10);
  assert.equal(times, 1);
  pump.stop();
});

test("a machine that fails is not run again", async () => {
  const { pump, log } = pumpOf(() => {
    throw new Error("broken");
  });
  pump.schedule();
  await wait(10);
  pump.schedule();
  await wait(10);
  assert.deepEqual(log, ["run", "failed: broken"]);
});
