// The API against the built engine, in Node.js: programs and their streams, files, devices, errors.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { serve } from "../drivers/server.mjs";
import { dist, findImage, needBundle } from "./browser.mjs";

/** @type {typeof import("../js/index.js")} */
let cx;
/** @type {import("../js/linux.js").Linux} */
let linux;
/** @type {import("../js/devices.js").DataDevice} */
let data;
/** @type {import("../js/devices.js").IDBDevice} */
let store;
/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {string} */
let directory;

const ENV = ["PATH=/usr/bin:/bin", "HOME=/root", "LANG=C.UTF-8"];

before(async () => {
  needBundle();
  cx = await import(new URL("../dist/cx.mjs", import.meta.url).href);
  directory = mkdtempSync(join(tmpdir(), "cx-engine-"));
  makeTree();
  server = await serve({ directory, files: { "/image.ext2": findImage("tiny") } });
  const base = await cx.HttpBytesDevice.create(`${server.origin}/image.ext2`);
  data = await cx.DataDevice.create();
  await data.writeFile("/before.txt", "put here before the machine was made\n");
  await data.writeFile("deep/er/file", Uint8Array.of(0, 1, 2, 255));
  store = await cx.IDBDevice.create("files");
  await store.writeFile("/kept/first.txt", "from the page");
  linux = await cx.Linux.create({
    mounts: [
      { type: "ext2", path: "/", dev: await cx.OverlayDevice.create(base) },
      { type: "devs", path: "/dev" },
      { type: "devpts", path: "/dev/pts" },
      { type: "proc", path: "/proc" },
      { type: "sys", path: "/sys" },
      { type: "dir", path: "/data", dev: data },
      { type: "dir", path: "/store", dev: store },
      { type: "dir", path: "/web", dev: await cx.WebDevice.create(`${server.origin}/tree`) },
      { type: "ext2", path: "/split", dev: await cx.GitHubDevice.create(`${server.origin}/small.ext2`) },
    ],
  });
});
after(async () => {
  await linux?.delete();
  await server?.close();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

/** What the server holds: a tree for WebDevice, and a small image whole and in parts. */
function makeTree() {
  mkdirSync(join(directory, "tree/sub"), { recursive: true });
  writeFileSync(join(directory, "tree/index.list"), "hello.txt\nscript\nsub/\n");
  writeFileSync(join(directory, "tree/hello.txt"), "hello from the web\n");
  writeFileSync(join(directory, "tree/script"), "#!/bin/sh\necho runs: $1\n");
  writeFileSync(join(directory, "tree/sub/index.list"), "inner\n");
  writeFileSync(join(directory, "tree/sub/inner"), "i".repeat(300_000));
  const content = join(directory, "content");
  mkdirSync(content);
  writeFileSync(join(content, "in-image"), "small\n");
  chmodSync(join(content, "in-image"), 0o600);
  const image = join(directory, "small.ext2");
  execFileSync("mke2fs", ["-q", "-t", "ext2", "-b", "1024", "-d", content, image, "1M"], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
  const bytes = readFileSync(image);
  writeFileSync(`${image}.meta`, String(bytes.length));
  for (let at = 0; at < bytes.length; at += 131072) {
    const number = (at / 131072).toString(16).padStart(6, "0");
    writeFileSync(`${image}.c${number}.txt`, bytes.subarray(at, at + 131072));
  }
}

/** @param {ReadableStream<Uint8Array> | null} stream */
async function all(stream) {
  const parts = [];
  for await (const part of /** @type {any} */ (stream)) parts.push(part);
  return Buffer.concat(parts);
}

/**
 * @param {string} path
 * @param {string[]} args
 * @param {{input?: string | Uint8Array, env?: string[], cwd?: string, uid?: number, gid?: number}} [options]
 */
async function run(path, args, { input, ...options } = {}) {
  const process = linux.run(path, args, { env: ENV, ...options, stdio: "streams" });
  const feeding = (async () => {
    const writer = /** @type {WritableStream} */ (process.stdin).getWriter();
    if (input !== undefined) await writer.write(input);
    await writer.close();
  })().catch(() => {});
  const [status, out, err] = await Promise.all([process, all(process.stdout), all(process.stderr), feeding]);
  return { status: status.status, out: out.toString(), err: err.toString(), bytes: out };
}

/** @param {string} script */
const sh = (script) => run("/bin/sh", ["-c", script]);

test("a program's output, error output and status are told apart", async () => {
  const { status, out, err } = await sh("echo out; echo err >&2; exit 42");
  assert.deepEqual({ status, out, err }, { status: 42, out: "out\n", err: "err\n" });
});

test("environment, working directory, user, argv[0]", async () => {
  assert.equal((await run("/usr/bin/env", [], { env: ["A=1", "B=two words"] })).out, "A=1\nB=two words\n");
  assert.equal((await run("/bin/pwd", [], { cwd: "/usr/lib" })).out, "/usr/lib\n");
  assert.equal((await run("/usr/bin/id", [], { uid: 1000, gid: 100 })).out.split(" ").slice(0, 2).join(" "), "uid=1000 gid=100(users)");
  assert.equal((await run("/bin/sh", ["-c", "echo $0 $#", "name", "a", "b"])).out, "name 2\n");
});

test("a name without a slash is looked for in PATH", async () => {
  assert.equal((await run("seq", ["3"])).out, "1\n2\n3\n");
  await assert.rejects(run("no-such-program", []), { code: "ENOENT", errno: 2 });
});

/** @type {[string, string, number][]} */
const FAILURES = [["/no/such/file", "ENOENT", 2], ["/etc/passwd", "EACCES", 13], ["/etc", "EACCES", 13], ["/etc/passwd/x", "ENOTDIR", 20], ["/data/before.txt", "ENOEXEC", 8]];
for (const [path, code, errno] of FAILURES) {
  test(`running ${path} fails with ${code}`, async () => {
    await assert.rejects(linux.run(path), { name: "CxError", code, errno });
  });
}

test("arguments that make no sense are refused", async () => {
  await assert.rejects(linux.run("/bin/sh", /** @type {any} */ ([1])), { code: "EARGUMENT" });
  await assert.rejects(linux.run("/bin/sh", ["a\0b"]), { code: "EARGUMENT" });
  assert.throws(() => linux.registerCallback(/** @type {any} */ ("nothing"), () => {}), { code: "EARGUMENT" });
});

test("bytes stay bytes, in both directions", async () => {
  const input = Uint8Array.from({ length: 1_000_000 }, (_, at) => (at * 31 + (at >> 9)) & 0xff);
  const { bytes } = await run("/bin/cat", [], { input });
  assert.ok(bytes.equals(input));
});

test("signals", async () => {
  /** @type {[number | string | undefined, number][]} */
  const cases = [["SIGINT", 130], [9, 137], [undefined, 143], ["HUP", 129]];
  for (const [signal, status] of cases) {
    const process = linux.run("/bin/sleep", ["100"], { env: ENV, stdio: "streams" });
    await process.kill(signal);
    assert.equal((await process).status, status);
    await assert.rejects(process.kill(signal), { code: "ESRCH" });
  }
  const process = linux.run("/bin/sleep", ["0.1"], { env: ENV, stdio: "streams" });
  await assert.rejects(process.kill("SIGNOTHING"), { code: "EINVAL" });
  await process;
});

test("code is translated unless told otherwise", async () => {
  assert.ok("jit_regions" in (await linux.stats()));
  const other = await cx.Linux.create({ mounts: [{ type: "dir", path: "/", dev: await cx.DataDevice.create() }], engine: "interp" });
  const stats = await other.stats();
  await other.delete();
  assert.ok(!("jit_regions" in stats));
});

test("translations are given up when there is no room for more, and programs go on", async () => {
  const base = await cx.HttpBytesDevice.create(`${server.origin}/image.ext2`);
  const mounts = /** @type {import("../cx.d.ts").Mount[]} */ ([{ type: "ext2", path: "/", dev: await cx.OverlayDevice.create(base) }]);
  const other = await cx.Linux.create({ mounts, engine: "jit-eager" });
  try {
    const script = "n=0; for i in $(seq 300); do n=$((n + i)); done; echo $n; seq 2000 | sort -r | tail -n 1; ls -l /usr/bin | sed 's/ .*//' | sort -u | wc -l";
    for (const _ of [1, 2, 3]) {
      const process = other.run("/bin/sh", ["-c", script], { env: ENV, stdio: "streams" });
      const [{ status }, out] = await Promise.all([process, all(process.stdout)]);
      assert.deepEqual([status, out.toString().split("\n").slice(0, 2)], [0, ["45150", "1"]]);
    }
    assert.ok((await other.stats()).jit_clears >= 2, `given up ${(await other.stats()).jit_clears} times`);
  } finally {
    await other.delete();
  }
});

test("programs run side by side", async () => {
  const outs = await Promise.all([1, 2, 3, 4].map((n) => sh(`sleep 0.${n}; echo ${n}`)));
  assert.deepEqual(outs.map(({ out }) => out), ["1\n", "2\n", "3\n", "4\n"]);
});

test("a reader that does not read stops the program, and nothing else", async () => {
  const process = linux.run("/usr/bin/yes", [], { env: ENV, stdio: "streams" });
  await process.pid;
  await sh("sleep 0.5");
  assert.equal((await sh("echo still here")).out, "still here\n");
  const { memory_in_use: before } = await linux.stats();
  await sh("sleep 0.5");
  assert.ok((await linux.stats()).memory_in_use <= before * 1.5);
  await process.stdout?.cancel();
  assert.equal((await process).status, 141, "and when it wants no more, the program gets SIGPIPE");
});

test("files of the machine from the page", async () => {
  await linux.writeFile("/root/new/file.txt", "text\n", { mode: 0o600 });
  assert.equal((await sh("cat /root/new/file.txt; stat -c %a /root/new/file.txt")).out, "text\n600\n");
  await sh("echo from inside > /root/new/other");
  assert.equal(Buffer.from(await linux.readFile("/root/new/other")).toString(), "from inside\n");
  const entries = await linux.list("/root/new");
  assert.deepEqual(entries.map(({ name, type, size, mode }) => ({ name, type, size, mode })), [
    { name: "file.txt", type: "file", size: 5, mode: 0o600 },
    { name: "other", type: "file", size: 12, mode: 0o644 },
  ]);
  assert.ok(Math.abs(entries[1].modified - Date.now()) < 60_000);
  await assert.rejects(linux.remove("/root/new"), { code: "ENOTEMPTY" });
  await linux.remove("/root/new/file.txt");
  await linux.remove("/root/new/other");
  await linux.remove("/root/new");
  await assert.rejects(linux.readFile("/root/new/other"), { code: "ENOENT", errno: 2 });
  await assert.rejects(linux.readFile("/etc"), { code: "EISDIR" });
  assert.match(Buffer.from(await linux.readFile("/proc/version")).toString(), /^Linux version/);
});

test("DataDevice: files go in and come back", async () => {
  assert.equal((await sh("cat /data/before.txt; od -An -tu1 /data/deep/er/file")).out, "put here before the machine was made\n   0   1   2 255\n");
  assert.equal((await sh("cat /data/later 2>/dev/null; echo $?")).out, "1\n");
  await data.writeFile("/later", "#!/bin/sh\necho it runs\n");
  assert.equal((await run("/data/later", [])).out, "it runs\n");
  await sh("echo answer > /data/back; mkdir /data/d");
  assert.equal(Buffer.from(await data.readFile("/back")).toString(), "answer\n");
  assert.deepEqual((await data.list("/")).map(({ name }) => name), ["back", "before.txt", "d", "deep", "later"]);
  await data.remove("/back");
  assert.equal((await sh("ls /data/back 2>&1 | grep -c 'No such'")).out, "1\n");
  await assert.rejects(data.readFile("/back"), { code: "ENOENT" });
});

test("WebDevice: listed, read, run, never written", async () => {
  assert.equal((await sh("ls /web; cat /web/hello.txt; /web/script me; wc -c < /web/sub/inner")).out, "hello.txt\nscript\nsub\nhello from the web\nruns: me\n300000\n");
  assert.equal((await sh("cat /web/missing 2>&1; echo x > /web/new 2>&1; echo $?")).out.split("\n")[0], "cat: /web/missing: No such file or directory");
  assert.notEqual((await sh("echo x 2>/dev/null > /web/new")).status, 0);
});

test("GitHubDevice: an image in parts", async () => {
  assert.equal((await sh("cat /split/in-image; stat -c %a /split/in-image")).out, "small\n600\n");
});

test("IDBDevice as a directory: a file system of its own", async () => {
  assert.equal((await sh("cat /store/kept/first.txt; ln -s kept/first.txt /store/link; readlink /store/link; df -T /store | tail -1 | awk '{print $2}'")).out, "from the pagekept/first.txt\next2\n");
  await sh("seq 1 10000 > /store/numbers; sync");
  const blob = await store.readFileAsBlob("/numbers");
  assert.equal(blob.size, 48894);
  await assert.rejects(store.reset(), { code: "EBUSY" });
});

test("FileDevice: an image in a file", async () => {
  const holder = await cx.DataDevice.create();
  await holder.writeFile("/disk.img", readFileSync(join(directory, "small.ext2")));
  const device = await cx.FileDevice.create(holder, "/disk.img");
  assert.equal(await device.size(), 1 << 20);
  const other = await cx.Linux.create({ mounts: [{ type: "ext2", path: "/", dev: device }] });
  assert.equal(Buffer.from(await other.readFile("/in-image")).toString(), "small\n");
  await other.writeFile("/written", "into the file");
  await other.sync();
  await other.delete();
  const image = join(directory, "after.ext2");
  writeFileSync(image, await holder.readFile("/disk.img"));
  const environment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  execFileSync("e2fsck", ["-fn", image], { env: environment, stdio: "pipe" });
  assert.equal(execFileSync("debugfs", ["-R", "cat /written", image], { env: environment, stdio: ["ignore", "pipe", "ignore"] }).toString(), "into the file");
});

test("the console: output, input, size", async () => {
  let shown = "";
  const decoder = new TextDecoder();
  const send = linux.setCustomConsole((bytes, vt) => {
    assert.equal(vt, 1);
    // Without the escapes that tell a terminal how to take a paste.
    shown = (shown + decoder.decode(bytes, { stream: true })).replace(/\x1b\[\?2004[hl]\r?/g, "");
  }, 100, 30);
  const until = async (/** @type {RegExp} */ pattern) => {
    const end = Date.now() + 15_000;
    while (!pattern.test(shown)) {
      assert.ok(Date.now() < end, `waited for ${pattern}; there is ${JSON.stringify(shown)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const shell = linux.run("/bin/bash", ["--norc", "-i"], { env: [...ENV, "TERM=xterm", "PS1=> "] });
  await until(/> $/);
  for (const char of "stty size; echo é€😀\r") for (let at = 0; at < char.length; at += 1) send(char.charCodeAt(at));
  await until(/\r\n30 100\r\né€😀\r\n> $/);
  send.resize(50, 20);
  send.write("stty size\r");
  await until(/\r\n20 50\r\n> $/);
  send.write("exit 7\r");
  assert.equal((await shell).status, 7);
});

test("events", async () => {
  /** @type {Record<string, number>} */
  const counts = {};
  const events = /** @type {const} */ (["processCreated", "cpuActivity", "diskActivity", "diskLatency", "progress"]);
  const callbacks = events.map((event) => {
    const callback = () => void (counts[event] = (counts[event] ?? 0) + 1);
    linux.registerCallback(event, callback);
    return { event, callback };
  });
  await sh("sha1sum /usr/bin/* /lib/i386-linux-gnu/*.so* > /dev/null; true");
  for (const event of events) assert.ok(counts[event] > 0, event);
  for (const { event, callback } of callbacks) linux.unregisterCallback(event, callback);
  const before = { ...counts };
  await sh("true");
  assert.deepEqual(counts, before);
});

test("counters", async () => {
  const stats = await linux.stats();
  for (const name of ["instructions", "syscalls", "processes", "fetchedBytes", "fetchRequests"]) assert.equal(typeof stats[name], "number", name);
  assert.ok(stats.instructions > 1_000_000 && stats.fetchedBytes > 1_000_000);
});

test("what is no ext2 image is refused", async () => {
  writeFileSync(join(directory, "junk"), Buffer.alloc(1 << 20, 0x5a));
  const dev = await cx.HttpBytesDevice.create(`${server.origin}/junk`);
  await assert.rejects(cx.Linux.create({ mounts: [{ type: "ext2", path: "/", dev }] }), { code: "EMOUNT", message: /no ext2 file system/ });
  const local = await cx.HttpBytesDevice.create(pathToFileURL(join(directory, "small.ext2")));
  assert.equal(await local.size(), 1 << 20);
  await assert.rejects(cx.HttpBytesDevice.create(pathToFileURL(join(directory, "missing"))), { code: "ENOENT" });
  await assert.rejects(cx.HttpBytesDevice.create(`${server.origin}/missing`), { code: "ENOENT", message: /check the address/ });
});

test("a server without a validator is refused, one that stumbles is asked again", async () => {
  const image = readFileSync(join(directory, "small.ext2"));
  let stumbles = 3;
  let validator = true;
  const odd = createServer((request, response) => {
    stumbles -= 1;
    if (stumbles >= 0) return void response.writeHead(503).end();
    const [start, end] = String(request.headers.range).slice(6).split("-").map(Number);
    const last = Math.min(end, image.length - 1);
    response.writeHead(206, { "content-range": `bytes ${start}-${last}/${image.length}`, ...(validator ? { etag: '"one"' } : {}) });
    response.end(image.subarray(start, last + 1));
  });
  await new Promise((resolve) => odd.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (odd.address());
  try {
    const device = await cx.HttpBytesDevice.create(`http://127.0.0.1:${port}/`);
    assert.equal(await device.size(), image.length);
    assert.ok(stumbles < 0);
    validator = false;
    await assert.rejects(cx.HttpBytesDevice.create(`http://127.0.0.1:${port}/`), { code: "EHTTPRANGE", message: /ETag/ });
  } finally {
    odd.closeAllConnections();
    odd.close();
  }
});

test("an overlay tells a changed base", async () => {
  const image = readFileSync(join(directory, "small.ext2"));
  const path = join(directory, "changing.ext2");
  writeFileSync(path, image);
  const kept = await cx.IDBDevice.create("overlay");
  const first = await cx.OverlayDevice.create(await cx.HttpBytesDevice.create(`${server.origin}/changing.ext2`), kept);
  await assert.rejects(cx.OverlayDevice.create(await cx.HttpBytesDevice.create(`${server.origin}/changing.ext2`), kept), { code: "EMOUNT" });
  const machine = await cx.Linux.create({ mounts: [{ type: "ext2", path: "/", dev: first }] });
  await machine.writeFile("/note", "kept");
  await machine.sync();
  assert.equal(Buffer.from(await machine.readFile("/note")).toString(), "kept");
  await machine.delete();
});

test("delete settles everything", async () => {
  const base = await cx.HttpBytesDevice.create(`${server.origin}/image.ext2`);
  const machine = await cx.Linux.create({ mounts: [{ type: "ext2", path: "/", dev: await cx.OverlayDevice.create(base) }] });
  const running = machine.run("/bin/sleep", ["100"], { env: ENV, stdio: "streams" });
  await running.pid;
  const reading = all(running.stdout);
  await Promise.all([
    machine.delete(),
    assert.rejects(running, { code: "EDELETED" }),
  ]);
  await assert.rejects(machine.run("/bin/true"), { code: "EDELETED" });
  await assert.rejects(machine.readFile("/etc/passwd"), { code: "EDELETED" });
  await machine.delete();
  assert.equal((await sh("echo the other one lives")).out, "the other one lives\n");
  await Promise.race([reading.catch(() => {}), new Promise((_, reject) => setTimeout(() => reject(new Error("the stream hangs")), 2000))]);
});
