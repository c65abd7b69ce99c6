// The command line that both drivers take; the same as that of the native host.

import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const USAGE = `[--image FILE|URL] [--mount SRC:DST]... [--env K=V]... [--cwd DIR] [--uid N] [--gid N]
       [--memory MIB] [--cpu LEVEL] [--engine interp|jit] [--stats FILE] [--strace] [--browser chromium|firefox] [--browser-path FILE] -- PROG [ARGS...]`;

/** A mistake of whoever typed the command. */
export class UsageError extends Error {}

/**
 * @typedef {{path: string, mode: number, source: string}} MountedFile `source` is a path of the host
 * @typedef {{target: string, directories: string[], files: MountedFile[], single: boolean}} HostMount
 */

/**
 * @param {string[]} argv
 */
export function parseCommand(argv) {
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const command = end < 0 ? [] : argv.slice(end + 1);
  let values;
  try {
    ({ values } = parseArgs({
      args: own,
      options: {
        image: { type: "string" },
        mount: { type: "string", multiple: true, default: [] },
        env: { type: "string", multiple: true, default: [] },
        cwd: { type: "string", default: "/" },
        uid: { type: "string", default: "0" },
        gid: { type: "string", default: "0" },
        memory: { type: "string" },
        cpu: { type: "string" },
        engine: { type: "string" },
        stats: { type: "string" },
        strace: { type: "boolean", default: false },
        browser: { type: "string", default: "chromium" },
        "browser-path": { type: "string" },
      },
    }));
  } catch (error) {
    throw new UsageError(`${/** @type {Error} */ (error).message}\nusage: ${USAGE}`);
  }
  if (command.length === 0) throw new UsageError(`no program given; it follows --\nusage: ${USAGE}`);
  if (!values.image) throw new UsageError("no image given; pass --image FILE|URL");
  const remote = /^https?:\/\//.test(values.image);
  return {
    image: { remote, url: remote ? values.image : pathToFileURL(resolve(values.image)).href, path: remote ? "" : resolve(values.image) },
    mounts: values.mount.map(readMount),
    env: environment(values.env),
    cwd: values.cwd,
    uid: number("--uid", values.uid),
    gid: number("--gid", values.gid),
    memory: values.memory === undefined ? undefined : number("--memory", values.memory),
    cpu: values.cpu,
    engine: values.engine,
    stats: values.stats,
    strace: values.strace,
    browser: values.browser,
    browserPath: values["browser-path"],
    program: command[0],
    args: command.slice(1),
  };
}

/**
 * @param {string} name
 * @param {string} text
 */
function number(name, text) {
  if (!/^\d+$/.test(text)) throw new UsageError(`${name} takes a number, not ${text}`);
  return Number(text);
}

/** The environment of a program: a few defaults under what was given. @param {string[]} given */
export function environment(given) {
  const all = new Map([
    ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    ["HOME", "/root"],
    ["TERM", "xterm"],
    ["LANG", "C.UTF-8"],
    ["USER", "root"],
  ]);
  for (const entry of given) {
    const at = entry.indexOf("=");
    if (at < 1) throw new UsageError(`--env takes K=V, not ${entry}`);
    all.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return [...all].map(([name, value]) => `${name}=${value}`);
}

/**
 * What a `SRC:DST` holds now; links are followed.
 * @param {string} text
 * @returns {HostMount}
 */
function readMount(text) {
  const at = text.lastIndexOf(":");
  const source = resolve(text.slice(0, at));
  const target = text.slice(at + 1);
  if (at < 1 || !target.startsWith("/")) throw new UsageError(`--mount takes SRC:DST with an absolute DST, not ${text}`);
  const info = statSync(source, { throwIfNoEntry: false });
  if (!info) throw new UsageError(`--mount: ${source} does not exist`);
  /** @type {HostMount} */
  const mount = { target, directories: [], files: [], single: !info.isDirectory() };
  if (mount.single) {
    mount.files.push({ path: target, mode: info.mode & 0o7777, source });
    return mount;
  }
  const walk = (/** @type {string} */ directory, /** @type {string} */ prefix) => {
    for (const name of readdirSync(directory)) {
      const full = join(directory, name);
      const path = `${prefix}/${name}`;
      const entry = statSync(full, { throwIfNoEntry: false });
      if (entry?.isDirectory()) {
        mount.directories.push(path);
        walk(full, path);
      } else if (entry?.isFile()) {
        mount.files.push({ path, mode: entry.mode & 0o7777, source: full });
      }
    }
  };
  walk(source, target.replace(/\/+$/, ""));
  return mount;
}
