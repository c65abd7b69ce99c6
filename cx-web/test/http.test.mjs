// What the fetcher makes of servers, good and bad.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { after, before, test } from "node:test";
import { parseRange, serve } from "../drivers/server.mjs";
import { Activity } from "../js/worker/activity.js";
import { HttpFetcher, totalOf } from "../js/worker/http.js";
import { BLOCK_BYTES } from "../js/worker/limits.js";

const image = Uint8Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) & 0xff);
/** @type {string} */
let directory;
/** @type {Awaited<ReturnType<typeof serve>>} */
let good;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "cx-test-"));
  writeFileSync(join(directory, "image"), image);
  good = await serve({ directory });
});
after(async () => {
  await good.close();
  rmSync(directory, { recursive: true });
});

/**
 * A server with one answer.
 * @param {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => void} answer
 * @param {(url: string) => Promise<void>} use
 */
async function withServer(answer, use) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  try {
    await use(`http://127.0.0.1:${port}/image`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("size, validator and parts of a file", async () => {
  const fetcher = new HttpFetcher(`${good.origin}/image`, new Activity());
  const { size, validator } = await fetcher.head();
  assert.equal(size, image.length);
  assert.match(String(validator), /^"/);
  const first = await fetcher.fetch(0, BLOCK_BYTES);
  assert.deepEqual(first.bytes, image.subarray(0, BLOCK_BYTES));
  assert.equal(good.stats.requests, 1, "the first block comes with the first answer");
  const last = await fetcher.fetch(2 * BLOCK_BYTES, image.length - 2 * BLOCK_BYTES);
  assert.deepEqual(last.bytes, image.subarray(2 * BLOCK_BYTES));
  assert.equal(last.validator, validator);
});

test("a server without ranges is refused with a message for its owner", async () => {
  await withServer(
    (_request, response) => response.writeHead(200, { etag: '"1"' }).end(Buffer.alloc(1000)),
    async (url) => assert.rejects(new HttpFetcher(url, new Activity()).head(), { code: "EHTTPRANGE", message: /206/ }),
  );
});

test("an answer whose size is hidden is refused", async () => {
  await withServer(
    (_request, response) => response.writeHead(206).end("x"),
    async (url) => assert.rejects(new HttpFetcher(url, new Activity()).head(), { code: "EHTTPRANGE", message: /Access-Control-Expose-Headers/ }),
  );
});

/** @type {[number, string][]} */
const STATUSES = [[404, "ENOENT"], [403, "EACCES"], [500, "EIO"], [429, "EIO"], [416, "EBASECHANGED"]];
for (const [status, code] of STATUSES) {
  test(`status ${status} is ${code}`, async () => {
    await withServer(
      (_request, response) => response.writeHead(status).end(),
      async (url) => assert.rejects(new HttpFetcher(url, new Activity()).fetch(0, 10), { code }),
    );
  });
}

test("a server that is not there, and one that breaks off, may be tried again", async () => {
  await assert.rejects(new HttpFetcher("http://127.0.0.1:9/image", new Activity()).head(), { code: "EIO" });
  await withServer(
    (_request, response) => {
      response.writeHead(206, { "content-range": "bytes 0-9/10", "content-length": "10" });
      response.write("12345");
      setTimeout(() => response.destroy(), 20);
    },
    async (url) => assert.rejects(new HttpFetcher(url, new Activity()).fetch(0, 10), { code: "EIO" }),
  );
});

test("another range than the one asked for is not taken", async () => {
  await withServer(
    (_request, response) => response.writeHead(206, { "content-range": "bytes 5-9/10" }).end("12345"),
    async (url) => assert.rejects(new HttpFetcher(url, new Activity()).fetch(0, 5), { code: "EIO" }),
  );
});

test("activity goes on with the first operation and off with the last", async () => {
  const activity = new Activity();
  /** @type {any[]} */
  const seen = [];
  let woken = 0;
  activity.listeners.add((name, value) => name === "diskActivity" && seen.push(value));
  activity.wakers.add(() => (woken += 1));
  const fetcher = new HttpFetcher(`${good.origin}/image`, activity);
  await Promise.all([fetcher.fetch(0, 10), fetcher.fetch(10, 10)]);
  await assert.rejects(new HttpFetcher("http://127.0.0.1:9/", activity).head());
  assert.deepEqual(seen, ["wait", "ready", "wait", "ready"]);
  assert.equal(woken, 3);
  assert.equal(activity.bytes, 20);
});

test("Content-Range", () => {
  assert.deepEqual(totalOf("bytes 0-99/1234"), { start: 0, end: 99, total: 1234 });
  for (const bad of [null, "", "bytes */1234", "bytes 0-99/*", "items 0-9/10"]) assert.equal(totalOf(bad), null, String(bad));
});

test("Range", () => {
  /** @type {[string | undefined, any][]} */
  const cases = [
    [undefined, null], ["bytes=0-9", { start: 0, end: 9 }], ["bytes=90-", { start: 90, end: 99 }], ["bytes=-10", { start: 90, end: 99 }],
    ["bytes=50-500", { start: 50, end: 99 }], ["bytes=100-", undefined], ["bytes=-0", undefined], ["bytes=9-1", null], ["bytes=-", null],
    ["bytes=0-1,5-6", null], ["lines=1-2", null],
  ];
  for (const [header, range] of cases) assert.deepEqual(parseRange(header, 100), range, header);
});

test("a smaller file beside the one asked for is sent in its place", async () => {
  const file = join(directory, "code.js");
  writeFileSync(file, "whole");
  writeFileSync(`${file}.gz`, gzipSync("by gzip"));
  writeFileSync(`${file}.br`, brotliCompressSync("by brotli"));
  const ask = async (/** @type {Record<string, string>} */ headers) => {
    const answer = await fetch(`${good.origin}/code.js`, { headers });
    return `${answer.headers.get("content-encoding")} ${answer.headers.get("content-type")}: ${await answer.text()}`;
  };
  const type = "text/javascript; charset=utf-8";
  assert.equal(await ask({ "accept-encoding": "gzip, deflate, br;q=0.5" }), `br ${type}: by brotli`);
  assert.equal(await ask({ "accept-encoding": "gzip" }), `gzip ${type}: by gzip`);
  assert.equal(await ask({ "accept-encoding": "identity" }), `null ${type}: whole`);
  // Of a part, the file itself.
  assert.equal(await ask({ "accept-encoding": "br", range: "bytes=1-2" }), `null ${type}: ho`);
});
