// A user's session in Chromium: the shell, its programs, and what is left of it afterwards. One browser, one after
// the other, as a user would.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serve } from "../drivers/server.mjs";
import { dist, findImage, needBundle, openBrowser, Terminal } from "./browser.mjs";

const FIRST_PROMPT_MS = 3000;
const FIRST_PROMPT_BYTES = 8_000_000;

/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {import("playwright-core").BrowserContext} */
let context;
/** @type {Terminal} */
let terminal;
/** @type {string} */
let profile;

before(async () => {
  needBundle();
  profile = mkdtempSync(join(tmpdir(), "cx-e2e-"));
  server = await serve({ directory: dist, files: { "/image.ext2": findImage("mini") } });
  context = await openBrowser(profile);
});
after(async () => {
  await context?.close();
  await server?.close();
  if (profile) rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

test("the first prompt comes soon, and for few bytes", async (t) => {
  const started = Date.now();
  terminal = await Terminal.open(context, server.origin);
  const took = Date.now() - started;
  t.diagnostic(`first prompt after ${took} ms, ${server.stats.bytes} bytes in ${server.stats.requests} requests`);
  assert.match(await terminal.text(), /root@cx:~# $/);
  await terminal.number();
  assert.ok(took <= FIRST_PROMPT_MS, `it took ${took} ms`);
  assert.ok(server.stats.bytes <= FIRST_PROMPT_BYTES, `${server.stats.bytes} bytes were fetched`);
});

/** Command lines with what they print. @type {[string, string, RegExp | string][]} */
const COMMANDS = [
  ["a directory", "ls -la /", /bin -> usr\/bin\n[^]*drwxr-xr-x .* etc\n/],
  ["a pipe", "seq 1 1000 | grep 9 | sort -rn | head -3 | tr '\\n' ' '; echo", "999 998 997 "],
  ["grep -r", "grep -r '^root:' /etc 2>/dev/null | sort | head -1", /^\/etc\/group.*:root:/],
  ["find", "find /usr/bin -name 'b*sh' -type f", "/usr/bin/bash"],
  ["redirections", "echo one > r.txt; echo two >> r.txt; wc -l < r.txt; ls /nowhere 2> e.txt; grep -c nowhere e.txt", "2\n1"],
  ["a status", "false; echo $?; (exit 42); echo $?", "1\n42"],
  ["arithmetic and expansion", "echo $((6 * 7)) {a..c} ${HOME} $(basename /usr/bin)", "42 a b c /root bin"],
  ["a here-string and a function", "f() { tr a-z A-Z; }; f <<< quiet", "QUIET"],
  ["python", "python3 -c 'print(sum(range(100)))'", "4950"],
];
for (const [name, command, expected] of COMMANDS) {
  test(`shell: ${name}`, async () => {
    const { output } = await terminal.run(command);
    if (typeof expected === "string") assert.equal(output, expected);
    else assert.match(output, expected);
  });
}

test("shell: a here-document", async () => {
  await terminal.type("cat > h.txt << END\nfirst $((1 + 1))\nsecond line\nEND\n");
  await terminal.waitFor(/> END\n\[\d+:0\]# $/);
  assert.equal((await terminal.run("cat h.txt")).output, "first 2\nsecond line");
});

test("job control: Ctrl-Z, bg, jobs, fg, Ctrl-C", async () => {
  await terminal.type("sleep 300\n");
  await terminal.page.waitForTimeout(400);
  await terminal.press("Control+z");
  await terminal.waitFor(/\[1\]\+\s+Stopped\s+sleep 300/);
  assert.match((await terminal.run("bg")).output, /\[1\]\+ sleep 300 &/);
  assert.match((await terminal.run("jobs")).output, /\[1\]\+\s+Running\s+sleep 300 &/);
  await terminal.type("fg\n");
  await terminal.waitFor(/fg\nsleep 300\n$/);
  await terminal.press("Control+c");
  await terminal.waitFor(/\^C\n[^\n]*# $/);
  assert.equal((await terminal.run("echo $?")).output, "130");
  assert.equal((await terminal.run("jobs")).output, "");
  const { output } = await terminal.run("sleep 0.2 & wait; echo waited");
  assert.match(output, /waited/);
});

test("Ctrl-C ends a program that only computes", async () => {
  await terminal.type("while :; do :; done\n");
  await terminal.page.waitForTimeout(500);
  await terminal.press("Control+c");
  await terminal.waitFor(/\^C\n[^\n]*# $/);
});

test("Ctrl-D ends a program's input, and cat gives back what was typed", async () => {
  await terminal.type("cat\nechoed é\n");
  await terminal.waitFor(/echoed é\nechoed é\n$/);
  await terminal.press("Control+d");
  await terminal.waitFor(/# $/);
});

test("an editor edits and saves", async () => {
  await terminal.type("vi note.txt\n");
  await terminal.waitForScreen(/~\n~\n/);
  await terminal.type("ifirst line\nsecond line");
  await terminal.press("Escape");
  await terminal.type("ggyyp");
  await terminal.waitForScreen(/first line\nfirst line\nsecond line/);
  await terminal.type(":wq\n");
  await terminal.waitFor(/# $/);
  assert.equal((await terminal.run("cat note.txt")).output, "first line\nfirst line\nsecond line");
});

test("nano edits and saves", async () => {
  await terminal.type("nano -I new.txt\n");
  await terminal.waitForScreen(/GNU nano/);
  await terminal.type("written in nano");
  await terminal.press("Control+o");
  await terminal.waitForScreen(/File Name to Write/);
  await terminal.press("Enter");
  await terminal.waitForScreen(/Wrote 1 line/);
  await terminal.press("Control+x");
  await terminal.waitFor(/# $/);
  assert.equal((await terminal.run("cat new.txt")).output, "written in nano");
});

test("less pages, searches and leaves", async () => {
  await terminal.type("seq 1 5000 | less\n");
  await terminal.waitForScreen(/^1\n2\n3\n/);
  await terminal.type(" ");
  await terminal.waitForScreen(/^(?!1\n)\d+\n/);
  await terminal.type("/^4321$\n");
  await terminal.waitForScreen(/^4321\n4322/);
  await terminal.type("G");
  await terminal.waitForScreen(/5000\n\(END\)/);
  await terminal.type("q");
  await terminal.waitFor(/# $/);
});

test("top shows the processes", async () => {
  await terminal.type("top\n");
  await terminal.waitForScreen(/Tasks:\s+\d+ total[^]*PID USER[^]*bash/);
  await terminal.type("q");
  await terminal.waitFor(/# $/);
});

test("tab completes", async () => {
  await terminal.type("ls /usr/inc");
  await terminal.press("Tab");
  await terminal.waitFor(/# ls \/usr\/include\/$/);
  await terminal.press("Control+u");
  await terminal.type("cat /etc/host");
  await terminal.press("Tab");
  await terminal.press("Tab");
  await terminal.waitFor(/host(\.conf|name|s)\s+host/);
  await terminal.press("Control+u");
});

test("the history is there", async () => {
  await terminal.run("echo remembered-$((40 + 2))");
  await terminal.press("ArrowUp");
  await terminal.waitFor(/# echo remembered-\$\(\(40 \+ 2\)\)$/);
  await terminal.press("Control+c");
  await terminal.waitFor(/# $/);
});

test("the terminal's size follows the window", async () => {
  const size = async () => (await terminal.run("stty size")).output;
  const before = await size();
  assert.equal(before, await terminal.page.evaluate(() => `${cxPage.terminal.rows} ${cxPage.terminal.cols}`));
  await terminal.page.setViewportSize({ width: 760, height: 480 });
  await terminal.page.waitForTimeout(500);
  const now = await size();
  assert.notEqual(now, before);
  assert.equal(now, await terminal.page.evaluate(() => `${cxPage.terminal.rows} ${cxPage.terminal.cols}`));
  await terminal.page.setViewportSize({ width: 1000, height: 640 });
  await terminal.page.waitForTimeout(500);
  assert.equal(await size(), before);
});

test("much output does not stop the page", async () => {
  const { output } = await terminal.run("seq 1 60000 | tail -2", 60_000);
  assert.equal(output, "59999\n60000");
  await terminal.type("seq 1 30000\n");
  await terminal.waitFor(/\n30000\n[^\n]*# $/, 60_000);
  await terminal.run("clear");
});

test("files go in and out", async () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, at) => (at * at) & 0xff));
  const source = join(profile, "upload.bin");
  writeFileSync(source, bytes);
  await terminal.page.setInputFiles("#files", source);
  await terminal.page.getByText("/root/upload.bin").waitFor();
  assert.equal((await terminal.run("wc -c < upload.bin")).output, "100000");
  await terminal.run("cp upload.bin copy.bin");
  await terminal.page.click("#download");
  await terminal.page.fill("#ask-input", "/root/copy.bin");
  const [download] = await Promise.all([terminal.page.waitForEvent("download"), terminal.page.click("#ask-yes")]);
  assert.deepEqual(readFileSync(await download.path()), bytes);
  await terminal.page.click("#terminal");
});

test("a second tab is refused at once, and says what to do", async () => {
  const started = Date.now();
  const page = await context.newPage();
  await page.goto(server.origin);
  await page.getByText("The local disk is open in another tab").waitFor({ timeout: 5000 });
  assert.ok(Date.now() - started < 4000);
  assert.equal(await page.evaluate(() => cxPage.error.code), "ELOCKED");
  await page.close();
});

test("a file survives a reload", async () => {
  await terminal.run("mkdir -p kept && echo survives > kept/file && sync");
  await terminal.reload();
  assert.equal((await terminal.run("cat kept/file note.txt")).output, "survives\nfirst line\nfirst line\nsecond line");
});

test("the second start fetches less", async (t) => {
  const before = server.stats.bytes;
  await terminal.reload();
  const bytes = server.stats.bytes - before;
  t.diagnostic(`${bytes} bytes`);
  assert.ok(bytes < FIRST_PROMPT_BYTES / 2, `${bytes} bytes`);
});

test("a killed tab loses nothing that was synced", async () => {
  const { status } = await terminal.run("for i in 1 2 3 4 5; do head -c 200000 /dev/urandom > big$i; done; sha1sum big? > sums && sync", 60_000);
  assert.equal(status, 0);
  const session = await context.newCDPSession(terminal.page);
  // The renderer dies where it stands, so the call has no answer.
  session.send("Page.crash").catch(() => {});
  await terminal.page.waitForEvent("crash");
  await terminal.page.close();
  terminal = await Terminal.open(context, server.origin);
  await terminal.number();
  const check = await terminal.run("sha1sum -c sums");
  assert.equal(check.output, "big1: OK\nbig2: OK\nbig3: OK\nbig4: OK\nbig5: OK");
});

test("a changed image is noticed", async () => {
  const image = server.files["/image.ext2"];
  const other = join(profile, "other.ext2");
  writeFileSync(other, readFileSync(image).subarray(0, 4 << 20));
  server.files["/image.ext2"] = other;
  await terminal.page.reload();
  await terminal.page.getByText("The disk image was replaced on the server").waitFor({ timeout: 10_000 });
  assert.equal(await terminal.page.evaluate(() => cxPage.error.code), "EBASECHANGED");
  server.files["/image.ext2"] = image;
  await terminal.reload();
});

test("a shell that ends is offered again", async () => {
  await terminal.type("exit 3\n");
  await terminal.page.getByText("Its exit status was 3").waitFor();
  await terminal.press("Enter");
  await terminal.started();
  await terminal.number();
  assert.equal((await terminal.run("cat kept/file")).output, "survives");
});

test("the local disk can be reset", async () => {
  await terminal.page.click("#reset");
  await Promise.all([terminal.page.waitForEvent("load"), terminal.page.click("#ask-yes")]);
  await terminal.started();
  await terminal.number();
  assert.match((await terminal.run("cat kept/file")).output, /No such file/);
});

const FRAMES_A_SECOND = 55;
const ECHO_MS = 50;

for (const engine of ["interp", "jit"]) {
  test(`the page stays alive while a program keeps the processor busy: ${engine}`, async (t) => {
    const busy = await Terminal.open(context, `${server.origin}/?temporary=1&engine=${engine}`);
    try {
      await busy.number();
      await busy.run("sha256sum /dev/zero &");
      // Until what is hot has been translated.
      await busy.page.waitForTimeout(2000);
      const frames = await busy.page.evaluate(async () => {
        const start = performance.now();
        let count = 0;
        while (performance.now() - start < 2000) {
          await new Promise(requestAnimationFrame);
          count += 1;
        }
        return (count * 1000) / (performance.now() - start);
      });
      await busy.page.evaluate(() => {
        const { terminal } = cxPage;
        cxPage.echoes = [];
        addEventListener("keydown", () => {
          const pressed = performance.now();
          const seen = terminal.onCursorMove(() => {
            cxPage.echoes.push(performance.now() - pressed);
            seen.dispose();
          });
        }, true);
      });
      for (let n = 0; n < 15; n += 1) {
        await busy.press("x");
        await busy.page.waitForTimeout(100);
      }
      const echoes = await busy.page.evaluate(() => cxPage.echoes.sort((/** @type {number} */ a, /** @type {number} */ b) => a - b));
      assert.equal(echoes.length, 15, "each key is echoed");
      const median = echoes[7];
      t.diagnostic(`${frames.toFixed(0)} frames a second; echo after ${median.toFixed(1)} ms, at most ${echoes[14].toFixed(1)}`);
      assert.ok(frames >= FRAMES_A_SECOND, `${frames.toFixed(1)} frames a second`);
      assert.ok(median < ECHO_MS, `a key is echoed after ${median.toFixed(1)} ms`);
    } finally {
      await busy.page.close();
    }
  });
}
