// The drivers as commands: streams, status, options. Each host runs the same cases.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findImage, needBundle, package_ } from "./browser.mjs";

/** @type {string} */
let directory;

before(() => {
  needBundle();
  directory = mkdtempSync(join(tmpdir(), "cx-drivers-"));
});
after(() => rmSync(directory, { recursive: true, force: true }));

/** @type {[string, string[]][]} */
const HOSTS = [["node", ["node.mjs"]], ["chromium", ["browser.mjs", "--browser", "chromium"]], ["firefox", ["browser.mjs", "--browser", "firefox"]]];

for (const [host, [script, ...own]] of HOSTS) {
  /**
   * @param {string[]} args
   * @param {Uint8Array | string} [input]
   */
  const drive = (args, input = "") => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(package_, "drivers", script), ...own, "--image", findImage("tiny"), ...args], {
      input,
      maxBuffer: 1 << 26,
      timeout: 90_000,
    });
    return { status, out: stdout.toString(), err: stderr.toString(), bytes: stdout };
  };

  test(`${host}: streams, status, options`, () => {
    const stats = join(directory, `${host}.json`);
    const source = join(directory, "mounted.txt");
    writeFileSync(source, "mounted\n");
    const script = "cat /mnt/m/file; echo $A; pwd; id -u; echo err >&2; exit 5";
    const { status, out, err } = drive(["--mount", `${source}:/mnt/m/file`, "--env", "A=b c", "--cwd", "/usr", "--uid", "7", "--stats", stats, "--", "sh", "-c", script]);
    assert.deepEqual({ status, out, err }, { status: 5, out: "mounted\nb c\n/usr\n7\n", err: "err\n" });
    assert.ok(JSON.parse(readFileSync(stats, "utf8")).instructions > 100_000);
  });

  test(`${host}: bytes stay bytes`, () => {
    const input = Uint8Array.from({ length: 700_000 }, (_, at) => (at * 13 + (at >> 8)) & 0xff);
    assert.ok(drive(["--", "cat"], input).bytes.equals(input));
  });

  test(`${host}: the status of what cannot run, and of what was killed`, () => {
    const missing = drive(["--", "no-such-program"]);
    assert.equal(missing.status, 127);
    assert.match(missing.err, /^cx: ENOENT: no-such-program/);
    assert.equal(drive(["--", "/etc/passwd"]).status, 126);
    assert.equal(drive(["--", "sh", "-c", "kill -TERM $$"]).status, 143);
  });
}

test("node: a directory is mounted with its modes; a trace goes to standard error", () => {
  const { out, err } = (() => {
    const { stdout, stderr } = spawnSync(process.execPath, [join(package_, "drivers", "node.mjs"), "--image", findImage("tiny"), "--mount", `${join(package_, "drivers")}:/mnt/d`, "--strace", "--", "sh", "-c", "ls /mnt/d | head -2"]);
    return { out: stdout.toString(), err: stderr.toString() };
  })();
  assert.equal(out, "browser.mjs\njob.mjs\n");
  assert.match(err, /execve\("/);
});
