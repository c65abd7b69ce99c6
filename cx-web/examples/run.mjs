// Runs a command line of a disk image, in Node.js: node examples/run.mjs IMAGE 'ls -la / | head'

import { pathToFileURL } from "node:url";
import { HttpBytesDevice, Linux, OverlayDevice } from "../dist/cx.mjs";

const [image, command = "uname -a"] = process.argv.slice(2);
const base = await HttpBytesDevice.create(pathToFileURL(image));
// Without a store the writes stay in memory.
const disk = await OverlayDevice.create(base);
const linux = await Linux.create({
  mounts: [
    { type: "ext2", path: "/", dev: disk },
    { type: "devs", path: "/dev" },
    { type: "proc", path: "/proc" },
  ],
});

const shell = linux.run("/bin/sh", ["-c", command], { env: ["PATH=/usr/bin:/bin"], stdio: "streams" });
for await (const part of shell.stdout) process.stdout.write(part);
const { status } = await shell;
await linux.delete();
process.exitCode = status;
