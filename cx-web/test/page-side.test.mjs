// What the page checks before it asks the engine, and how keys become bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { environment, parseCommand, UsageError } from "../drivers/options.mjs";
import { InputEncoder, InputQueue, joined } from "../js/console-input.js";
import { absoluteUrl, HttpBytesDevice, OverlayDevice, toBytes } from "../js/devices.js";
import { Linux } from "../js/linux.js";

test("codes become UTF-8", () => {
  const encode = (/** @type {string} */ text) => {
    const encoder = new InputEncoder();
    return Buffer.concat(Array.from({ length: text.length }, (_, at) => encoder.encode(text.charCodeAt(at)))).toString("latin1");
  };
  for (const text of ["ls -la\r", "\x03", "é", "€", "😀", "a😀b"]) {
    assert.equal(encode(text), Buffer.from(text).toString("latin1"), text);
  }
  assert.deepEqual([...new InputEncoder().encode(0xdc00)], [0xef, 0xbf, 0xbd], "half a pair is replaced");
});

test("a paste is one message", async () => {
  /** @type {number[][]} */
  const sent = [];
  const queue = new InputQueue((bytes) => sent.push([...bytes]));
  queue.push(Uint8Array.of(1));
  queue.push(Uint8Array.of());
  queue.push(Uint8Array.of(2, 3));
  await null;
  queue.push(Uint8Array.of(4));
  await null;
  assert.deepEqual(sent, [[1, 2, 3], [4]]);
  assert.deepEqual([...joined([])], []);
});

/** @type {[any, string, RegExp][]} */
const BAD_MOUNTS = [
  ["x", "EMOUNT", /list/],
  [[{ type: "proc", path: "/proc" }], "EMOUNT", /first mount must be \//],
  [[{ type: "ext2", path: "/" }], "EMOUNT", /needs a device/],
  [[{ type: "ext2", path: "/", dev: {} }], "EARGUMENT", /not a device/],
  [[{ type: "vfat", path: "/" }], "EMOUNT", /vfat/],
  [[{ type: "tmpfs", path: "relative" }], "EMOUNT", /must start with/],
];
for (const [mounts, code, message] of BAD_MOUNTS) {
  test(`mounts ${JSON.stringify(mounts)} are refused`, async () => {
    await assert.rejects(Linux.create({ mounts }), { code, message });
  });
}

test("devices are made by create alone, from arguments that make sense", async () => {
  // @ts-expect-error: that is what is tested
  assert.throws(() => new HttpBytesDevice(), { code: "EARGUMENT" });
  await assert.rejects(HttpBytesDevice.create("/image"), { code: "EARGUMENT" });
  await assert.rejects(OverlayDevice.create(/** @type {any} */ (null), /** @type {any} */ ({})), { code: "EARGUMENT" });
  assert.throws(() => absoluteUrl("http://"), { code: "EARGUMENT" });
  assert.throws(() => toBytes(/** @type {any} */ (5)), { code: "EARGUMENT" });
  assert.deepEqual([...toBytes("é")], [0xc3, 0xa9]);
});

test("the drivers' command line", () => {
  const command = parseCommand(["--image", "a.ext2", "--env", "A=1=2", "--uid", "5", "--strace", "--", "ls", "--image", "-l"]);
  assert.equal(command.program, "ls");
  assert.deepEqual(command.args, ["--image", "-l"]);
  assert.equal(command.uid, 5);
  assert.ok(command.strace && command.env.includes("A=1=2") && command.env.includes("HOME=/root"));
  assert.match(command.image.url, /^file:\/\/\/.*a\.ext2$/);
  assert.deepEqual(environment(["HOME=/x"]).filter((entry) => entry.startsWith("HOME=")), ["HOME=/x"]);
  for (const bad of [["--", "ls"], ["--image", "x"], ["--image", "x", "--uid", "a", "--", "ls"], ["--nonsense", "--", "ls"], ["--image", "x", "--env", "A", "--", "l"], ["--image", "x", "--mount", "/nothing/here:/a", "--", "l"]]) {
    assert.throws(() => parseCommand(bad), UsageError, bad.join(" "));
  }
});
