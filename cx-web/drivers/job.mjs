// Runs one program through the public API. The same file runs in Node.js and, served to it, in a browser.

/**
 * @typedef {object} Job
 * @property {string} image
 * @property {{target: string, files: {path: string, mode: number, source: string}[], single: boolean}[]} mounts
 * @property {string[]} env
 * @property {string} cwd
 * @property {number} uid
 * @property {number} gid
 * @property {number} [memory]
 * @property {string} [cpu]
 * @property {string} [engine]
 * @property {boolean} strace
 * @property {string} program
 * @property {string[]} args
 *
 * @typedef {object} JobIo
 * @property {() => Promise<Uint8Array | null>} read the next part of standard input, null at its end
 * @property {(fd: 1 | 2, bytes: Uint8Array) => Promise<boolean>} write false when nobody reads any more
 * @property {(source: string) => Promise<Uint8Array>} file a file of a mount
 * @property {(line: string) => void} log
 */

/**
 * @param {any} cx the API's module
 * @param {Job} job
 * @param {JobIo} io
 */
export async function runJob(cx, job, io) {
  const started = performance.now();
  const base = await cx.HttpBytesDevice.create(job.image);
  const mounts = [
    { type: "ext2", path: "/", dev: await cx.OverlayDevice.create(base) },
    { type: "devs", path: "/dev" },
    { type: "devpts", path: "/dev/pts" },
    { type: "proc", path: "/proc" },
    { type: "sys", path: "/sys" },
  ];
  for (const mount of job.mounts) {
    if (!mount.single) mounts.push({ type: "dir", path: mount.target, dev: await cx.DataDevice.create() });
  }
  const linux = await cx.Linux.create({ mounts, memory: job.memory, cpu: job.cpu, engine: job.engine, strace: job.strace });
  // Without a trace the guest's standard error is its own.
  if (job.strace) linux.registerCallback("log", io.log);
  for (const mount of job.mounts) {
    for (const file of mount.files) await linux.writeFile(file.path, await io.file(file.source), { mode: file.mode });
  }
  const ready = performance.now();
  const process = linux.run(job.program, job.args, { env: job.env, cwd: job.cwd, uid: job.uid, gid: job.gid, stdio: "streams" });
  const feeding = feed(process.stdin, io);
  const [{ status }] = await Promise.all([process, drain(process.stdout, io, 1), drain(process.stderr, io, 2)]);
  feeding.cancel();
  const stats = { ...(await linux.stats()), status, startMs: ready - started, runMs: performance.now() - ready };
  await linux.delete();
  return { status, stats };
}

/**
 * @param {WritableStream<Uint8Array>} stdin
 * @param {JobIo} io
 */
function feed(stdin, io) {
  const writer = stdin.getWriter();
  let going = true;
  const done = (async () => {
    while (going) {
      const bytes = await io.read();
      if (!bytes) break;
      await writer.write(bytes);
    }
    await writer.close();
  })();
  // A program may end without reading all of its input.
  done.catch(() => {});
  return { cancel: () => (going = false) };
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {JobIo} io
 * @param {1 | 2} fd
 */
async function drain(stream, io, fd) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    if (!(await io.write(fd, value))) return reader.cancel();
  }
}

/**
 * The exit status of a program that could not be started, as a shell gives it.
 * @param {unknown} error
 */
export function statusOfFailure(error) {
  const { code } = /** @type {{code?: string}} */ (error ?? {});
  if (code === "ENOENT" || code === "ENOTDIR") return 127;
  if (code === "EACCES" || code === "ENOEXEC" || code === "EISDIR") return 126;
  return 125;
}
