// Activity lights, bytes fetched, and the bar of the first load.

import { find, humanBytes } from "./ui.js";

/** A light stays on this long, so that short work can be seen. */
const GLOW_MS = 120;

/** Bytes after which a shell's prompt usually shows: the bar has no better total. */
const USUAL_BYTES = 4_500_000;

/** @param {HTMLElement} element */
function light(element) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const show = (/** @type {boolean} */ busy) => {
    element.classList.toggle("busy", busy);
    element.setAttribute("aria-label", busy ? "busy" : "idle");
  };
  return (/** @type {"ready" | "wait"} */ state) => {
    clearTimeout(timer);
    if (state === "wait") show(true);
    else timer = setTimeout(() => show(false), GLOW_MS);
  };
}

/** @param {import("../js/linux.js").Linux} linux */
export function connectGauges(linux) {
  const bar = find("progress");
  const fill = /** @type {HTMLElement} */ (bar.firstElementChild);
  let loading = true;
  linux.registerCallback("cpuActivity", light(find("cpu")));
  linux.registerCallback("diskActivity", light(find("disk")));
  linux.registerCallback("diskLatency", (/** @type {number} */ ms) => {
    find("latency").textContent = ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
  });
  linux.registerCallback("progress", (/** @type {{bytes: number}} */ { bytes }) => {
    find("fetched").textContent = humanBytes(bytes);
    if (!loading) return;
    // Nears its end without reaching it, however much there is.
    const percent = Math.round(100 * (1 - Math.exp((-2 * bytes) / USUAL_BYTES)));
    fill.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", String(percent));
    find("stage").textContent = `Loading the shell: ${humanBytes(bytes)}`;
  });
  return {
    firstOutput() {
      loading = false;
      bar.classList.add("done");
      bar.setAttribute("aria-valuenow", "100");
    },
  };
}
