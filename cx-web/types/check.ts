// Compiled by the tests, never run: the code must have the types that cx.d.ts promises, and a page's code must compile.

import * as code from "../js/index.js";
import type * as api from "../cx.d.ts";

type Public<T> = { [K in keyof T]: T[K] };
type InstanceOf<T> = T extends { prototype: infer I } ? Public<I> : never;

/** Every export exists, with the statics and members that are promised. */
type Names = Exclude<keyof typeof api, "Device" | "BlockDevice" | "FileTree">;
type Missing = Exclude<Names, keyof typeof code>;
export const missing: [Missing] extends [never] ? true : Missing = true;
type Instances = { [N in Names & keyof typeof code]: InstanceOf<(typeof api)[N]> };
type CodeInstances = { [N in Names & keyof typeof code]: InstanceOf<(typeof code)[N]> };

declare const have: CodeInstances;
export const promised: Instances = have;

declare const mounts: api.Mount[];
export const create: (options: api.LinuxOptions) => Promise<Public<api.Linux>> = (options) => code.Linux.create(options);
export const overlay: (url: string) => Promise<Public<api.OverlayDevice>> = async (url) =>
  code.OverlayDevice.create(await code.HttpBytesDevice.create(url), await code.IDBDevice.create("disk"));

/** A page written against the types alone. */
export async function page(cx: typeof api, element: HTMLElement): Promise<number> {
  const base = await cx.HttpBytesDevice.create("/image.ext2");
  const store = await cx.IDBDevice.create("disk");
  const root = await cx.OverlayDevice.create(base, store);
  const linux = await cx.Linux.create({ mounts: [{ type: "ext2", path: "/", dev: root }, { type: "proc", path: "/proc" }, ...mounts] });
  await linux.setConsole(element);
  linux.registerCallback("diskLatency", (ms) => ms.toFixed(1));
  const run = linux.run("/bin/sh", ["-c", "cat"], { env: ["A=1"], cwd: "/", uid: 0, gid: 0, stdio: "streams" });
  await run.stdin?.getWriter().write("text");
  await run.kill("SIGTERM");
  const send = linux.setCustomConsole((bytes, vt) => bytes.length + vt, 80, 24);
  send(13);
  const { status } = await run;
  return status;
}
