// Requests, answers and events between the two ends of a message channel.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { asCxError, CxError, fromWire, toWire } from "../js/errors.js";
import { Endpoint, moved } from "../js/rpc.js";

/** @param {Record<string, (...args: any[]) => any>} handlers */
function pair(handlers) {
  const { port1, port2 } = new MessageChannel();
  const port = (/** @type {any} */ end) => ({
    post: (/** @type {any} */ message, /** @type {any[]} */ transfer) => end.postMessage(message, transfer),
    listen: (/** @type {any} */ handler) => void end.on("message", handler),
  });
  const near = new Endpoint(port(port1), handlers);
  const far = new Endpoint(port(port2), handlers);
  return { near, far, end: () => port1.close() };
}

test("a request is answered with the value of its handler", async () => {
  const { near, end } = pair({ add: (a, b) => a + b, later: async (a) => a * 2 });
  assert.equal(await near.call("add", 2, 3), 5);
  assert.deepEqual(await Promise.all([near.call("later", 4), near.call("add", 1, 1)]), [8, 2]);
  end();
});

test("an error keeps its code, number and message", async () => {
  const { near, end } = pair({
    fail: () => {
      throw new CxError("ENOENT", "no such file", { errno: 2 });
    },
  });
  await assert.rejects(near.call("fail"), (error) => error instanceof CxError && error.code === "ENOENT" && error.errno === 2);
  await assert.rejects(near.call("missing"), { code: "EENGINE" });
  await assert.rejects(near.call("toString"), { code: "EENGINE" });
  end();
});

test("buffers move, and parts of buffers are cut out", async () => {
  const { near, end } = pair({ echo: (/** @type {Uint8Array} */ bytes) => moved(bytes) });
  const whole = Uint8Array.of(1, 2, 3);
  assert.deepEqual([...(await near.call("echo", moved(whole)))], [1, 2, 3]);
  assert.equal(whole.length, 0);
  const parent = Uint8Array.of(1, 2, 3, 4);
  assert.deepEqual([...(await near.call("echo", moved(parent.subarray(1, 3))))], [2, 3]);
  assert.equal(parent.length, 4);
  end();
});

test("closing settles everything that waits, and what is asked later", async () => {
  const { near, end } = pair({ never: () => new Promise(() => {}) });
  const waiting = [near.call("never"), near.call("never")];
  near.close(new CxError("EENGINE", "gone"));
  for (const promise of waiting) await assert.rejects(promise, { code: "EENGINE", message: "gone" });
  await assert.rejects(near.call("never"), { code: "EENGINE" });
  end();
});

test("what cannot be sent is refused at once", async () => {
  const { near, end } = pair({ take: () => 1 });
  await assert.rejects(near.call("take", () => 1), { code: "EARGUMENT" });
  assert.equal(await near.call("take", 1), 1);
  end();
});

test("any thrown value becomes a typed error", () => {
  assert.equal(asCxError("text").code, "EENGINE");
  assert.equal(asCxError(Object.assign(new Error("x"), { code: "EIO", errno: 5 })).errno, 5);
  assert.equal(fromWire(toWire(new CxError("ELOCKED"))).code, "ELOCKED");
  assert.match(new CxError("ELOCKED").message, /another tab/);
});
