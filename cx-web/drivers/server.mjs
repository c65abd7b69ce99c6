// A static file server on loopback, as disk images need it: ranges, validators, and `NAME.br` or `NAME.gz` in place of
// `NAME` where there is one.

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const TYPES = /** @type {Record<string, string>} */ ({
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".wasm": "application/wasm",
});

/** Content codings (RFC 9110, 8.4.1) and how the names of such files end, the best first. @type {[string, string][]} */
const ENCODINGS = [["br", ".br"], ["gzip", ".gz"]];

/**
 * The first range of a Range header (RFC 9110, 14.2): null for none that can be used, undefined for one that cannot
 * be satisfied.
 * @param {string | undefined} header
 * @param {number} size
 * @returns {{start: number, end: number} | null | undefined} `end` is inclusive
 */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? undefined : { start: size - length, end: size - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  if (match[2] !== "" && Number(match[2]) < start) return null;
  return start >= size ? undefined : { start, end };
}

/**
 * Serves a directory, and single files under names of their own.
 * @param {{directory: string, files?: Record<string, string>, host?: string, port?: number,
 *   intercept?: (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => boolean}} options
 * @returns {Promise<{origin: string, stats: {requests: number, bytes: number}, files: Record<string, string>, close: () => Promise<void>}>}
 */
export async function serve({ directory, files = {}, host = "127.0.0.1", port = 0, intercept }) {
  const stats = { requests: 0, bytes: 0 };
  const server = createServer((request, response) => {
    stats.requests += 1;
    if (intercept?.(request, response)) return;
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname);
    const inside = join(directory, normalize(path === "/" ? "/index.html" : path));
    const name = files[path] ?? (inside.startsWith(directory + sep) ? inside : "");
    let info;
    try {
      info = statSync(name);
    } catch {
      info = null;
    }
    if (!info?.isFile()) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    const headers = /** @type {Record<string, string | number>} */ ({
      "accept-ranges": "bytes",
      "content-type": TYPES[extname(name)] ?? "application/octet-stream",
      "cache-control": "no-cache",
      etag: `"${info.size.toString(16)}-${Math.round(info.mtimeMs).toString(16)}"`,
      "last-modified": info.mtime.toUTCString(),
    });
    const taken = String(request.headers["accept-encoding"] ?? "").split(",").map((part) => part.split(";")[0].trim());
    for (const [encoding, ending] of request.headers.range ? [] : ENCODINGS) {
      const packed = taken.includes(encoding) ? statSync(name + ending, { throwIfNoEntry: false }) : undefined;
      if (!packed?.isFile()) continue;
      headers["content-encoding"] = encoding;
      headers["content-length"] = packed.size;
      headers.etag = `"${packed.size.toString(16)}-${Math.round(packed.mtimeMs).toString(16)}-${encoding}"`;
      headers.vary = "accept-encoding";
      response.writeHead(200, headers);
      if (request.method === "HEAD") return void response.end();
      stats.bytes += packed.size;
      createReadStream(name + ending).on("error", () => response.destroy()).pipe(response);
      return;
    }
    const range = parseRange(request.headers.range, info.size);
    if (range === undefined) {
      response.writeHead(416, { "content-range": `bytes */${info.size}` }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: info.size - 1 };
    headers["content-length"] = Math.max(0, end - start + 1);
    if (range) headers["content-range"] = `bytes ${start}-${end}/${info.size}`;
    response.writeHead(range ? 206 : 200, headers);
    if (request.method === "HEAD" || info.size === 0) {
      response.end();
      return;
    }
    stats.bytes += end - start + 1;
    createReadStream(name, { start, end }).on("error", () => response.destroy()).pipe(response);
  });
  await new Promise((resolve) => server.listen(port, host, () => resolve(undefined)));
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  const close = () =>
    new Promise((/** @type {(value: void) => void} */ resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { origin: `http://${host}:${address.port}`, stats, files, close };
}
