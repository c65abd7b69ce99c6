// The browser's side of the browser driver.

import { runJob, statusOfFailure } from "./job.mjs";

/**
 * @param {string} path
 * @param {BodyInit} [body]
 */
const post = (path, body) => fetch(path, { method: "POST", body, cache: "no-store" });

/** @type {import("./job.mjs").JobIo} */
const io = {
  read: async () => {
    const answer = await post("/io/read");
    return answer.status === 200 ? new Uint8Array(await answer.arrayBuffer()) : null;
  },
  write: async (fd, bytes) => (await post(`/io/${fd}`, /** @type {Uint8Array<ArrayBuffer>} */ (bytes))).status === 204,
  file: async (source) => new Uint8Array(await (await fetch(source)).arrayBuffer()),
  log: (line) => void post("/io/2", `${line}\n`),
};

async function main() {
  try {
    const job = await (await fetch("/io/job")).json();
    // @ts-ignore: it lies beside this file where that is served.
    return await runJob(await import("./cx.mjs"), job, io);
  } catch (error) {
    const { code, message } = /** @type {{code?: string, message: string}} */ (error);
    return { status: statusOfFailure(error), error: `${code ?? "error"}: ${message}` };
  }
}

await post("/io/exit", JSON.stringify(await main()));
