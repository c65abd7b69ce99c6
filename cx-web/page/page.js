// The page: boots a machine on an image, and connects the page's controls with it.

import { CxError, HttpBytesDevice, IDBDevice, Linux, OverlayDevice } from "../js/index.js";
import { find, hideProblem, setTheme, showProblem, stage, theme, toast } from "./ui.js";
import { connectFiles } from "./files.js";
import { connectGauges } from "./gauges.js";
import { ask } from "./dialog.js";

const query = new URLSearchParams(location.search);
const image = new URL(query.get("image") ?? "/image.ext2", location.href);
/** The local disk belongs to the image: another image has another. */
const storeName = query.get("store") ?? `disk:${image.origin === location.origin ? "" : image.origin}${image.pathname}`;
/** What runs programs, where the default is not wanted. */
const engine = /** @type {import("../cx.d.ts").LinuxOptions["engine"] | null} */ (query.get("engine"));
const home = "/root";
const environment = ["HOME=/root", "TERM=xterm-256color", "COLORTERM=truecolor", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8",
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

/** For scripts that test the page. @type {Record<string, any>} */
const hook = { state: "starting", started: performance.now() };
Object.assign(globalThis, { cxPage: hook });

/** @param {unknown} error */
function report(error) {
  hook.state = "failed";
  hook.error = error;
  const code = error instanceof CxError ? error.code : "";
  const titles = /** @type {Record<string, string>} */ ({
    ELOCKED: "The local disk is open in another tab",
    EBASECHANGED: "The disk image was replaced on the server",
    EHTTPRANGE: "The server cannot serve the disk image",
    ENOENT: "Something is missing",
    ESTORE: "The local disk is damaged",
    ENOSPC: "The browser has no room left",
    EENGINE: "The machine stopped",
  });
  const reload = { label: "Try again", primary: true, run: () => location.reload() };
  const reset = { label: "Reset local disk", run: () => resetDisk() };
  const temporary = { label: "Run without saving", run: () => location.assign(withParameter("temporary", "1")) };
  /** @type {Parameters<typeof showProblem>[3]} */
  const actions = [reload];
  if (code === "EBASECHANGED" || code === "ESTORE" || code === "ENOSPC") actions.unshift(reset);
  if (code === "ELOCKED") actions.unshift(temporary);
  showProblem(titles[code] ?? "The machine could not start", error instanceof Error ? error.message : String(error), code, actions);
}

/**
 * @param {string} name
 * @param {string} value
 */
function withParameter(name, value) {
  const url = new URL(location.href);
  url.searchParams.set(name, value);
  return url.href;
}

async function openDisk() {
  stage("Opening the disk image");
  const base = await HttpBytesDevice.create(image);
  hook.temporary = query.has("temporary");
  stage("Opening the local disk");
  return hook.temporary ? OverlayDevice.create(base) : OverlayDevice.create(base, await IDBDevice.create(storeName));
}

async function boot() {
  setTheme(theme());
  find("machine").textContent = image.pathname.split("/").pop() ?? "";
  const disk = await openDisk();
  stage("Starting the machine");
  const linux = await Linux.create({
    mounts: [
      { type: "ext2", path: "/", dev: disk },
      { type: "devs", path: "/dev" },
      { type: "devpts", path: "/dev/pts" },
      { type: "proc", path: "/proc" },
      { type: "sys", path: "/sys" },
    ],
    ...(engine ? { engine } : {}),
  });
  hook.linux = linux;
  const gauges = connectGauges(linux);
  const console = await linux.setConsole(find("terminal"), { theme: theme(), fontSize: innerWidth < 520 ? 12 : 15 });
  hook.terminal = console.terminal;
  connectControls(linux, console);
  console.terminal.onWriteParsed(() => {
    if (hook.state !== "starting") return;
    hook.state = "running";
    hook.firstOutput = performance.now() - hook.started;
    gauges.firstOutput();
    find("loading").hidden = true;
  });
  stage("Loading the shell");
  const program = query.get("program") ?? "/bin/bash";
  const args = query.has("program") ? query.getAll("arg") : ["--login"];
  await shellUntilClosed(linux, program, args);
}

/**
 * A shell that ends is offered again, as a terminal at the wall would.
 * @param {Linux} linux
 * @param {string} program
 * @param {string[]} args
 */
async function shellUntilClosed(linux, program, args) {
  for (;;) {
    const { status } = await linux.run(program, args, { env: environment, cwd: home, uid: 0, gid: 0 });
    hook.state = "ended";
    hook.status = status;
    await linux.sync();
    await new Promise((resolve) =>
      showProblem("The shell ended", `Its exit status was ${status}. What it wrote is on the local disk.`, "", [
        { label: "Start it again", primary: true, run: () => resolve(undefined) },
      ]),
    );
    hideProblem();
    hook.terminal.reset();
    hook.terminal.focus();
    hook.state = "running";
  }
}

/**
 * @param {Linux} linux
 * @param {import("../cx.d.ts").TerminalHandle} console
 */
function connectControls(linux, console) {
  connectFiles(linux, home, () => console.focus());
  find("theme").addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    setTheme(next);
    console.setTheme(next);
    console.focus();
  });
  find("fullscreen").addEventListener("click", () => {
    const change = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
    change.catch(() => toast("The browser does not allow full screen here", true));
    console.focus();
  });
  find("reset").addEventListener("click", async () => {
    const text = "Everything that was written on this machine's disk in this browser is forgotten, and the image is as the server has it.";
    if (await ask({ title: "Reset the local disk?", text, yes: "Reset", danger: true })) await resetDisk(linux);
    else console.focus();
  });
  // What programs wrote without fsync goes to the browser's storage when the page is left for another.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") linux.sync().catch(() => {});
  });
}

/** @param {Linux} [linux] */
async function resetDisk(linux) {
  hideProblem();
  stage("Resetting the local disk");
  try {
    await linux?.delete();
    const store = await IDBDevice.create(storeName);
    await store.reset();
    location.reload();
  } catch (error) {
    report(error);
  }
}

hook.ready = boot().catch(report);
