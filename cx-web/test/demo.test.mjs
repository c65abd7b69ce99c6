// `cargo xtask demo` as a new user has it: the command, the address it prints, the page there.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { openBrowser, package_, Terminal } from "./browser.mjs";

/** Setting up may build an image and the bundle. */
const PATIENCE_MS = 20 * 60_000;

/** Starts the demo and waits for the address that it prints. */
async function demo() {
  const child = spawn("cargo", ["xtask", "demo", "--no-open", "--port", "0"], {
    cwd: dirname(package_),
    // A group of its own: ending it ends the server that cargo started.
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = () => {
    if (child.pid) process.kill(-child.pid, "SIGTERM");
  };
  const late = setTimeout(stop, PATIENCE_MS);
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const address = /http:\/\/[^ ]+/.exec(line);
      if (address) return { address: address[0], stop };
    }
  } finally {
    clearTimeout(late);
  }
  throw new Error("the demo ended without printing an address");
}

test("the demo gives a shell, and keeps what is written in it", async () => {
  const { address, stop } = await demo();
  const profile = mkdtempSync(join(tmpdir(), "cx-demo-"));
  const context = await openBrowser(profile);
  try {
    const terminal = await Terminal.open(context, address);
    await terminal.number();
    assert.match((await terminal.run("ls -la /")).output, /bin -> usr\/bin/);
    assert.equal((await terminal.run("echo kept > kept.txt; sync; cat kept.txt")).output, "kept");
    await terminal.reload();
    assert.equal((await terminal.run("cat kept.txt")).output, "kept");
  } finally {
    await context.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    stop();
  }
});
