// The built-in terminal: xterm.js in an element of the page. A file of its own, loaded when it is asked for.

import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import styles from "@xterm/xterm/css/xterm.css";

/** @type {Record<string, import("@xterm/xterm").ITheme>} */
export const THEMES = {
  dark: {
    background: "#0f1419", foreground: "#d8dee6", cursor: "#7fd1b9", cursorAccent: "#0f1419", selectionBackground: "#2f4a5f",
    black: "#1c242c", red: "#f0717a", green: "#8fd08a", yellow: "#e6c06f", blue: "#6cb2f5", magenta: "#c99bf0", cyan: "#6fd3d0", white: "#c7ced6",
    brightBlack: "#6b7884", brightRed: "#ff8f96", brightGreen: "#aee6a8", brightYellow: "#f5d792", brightBlue: "#94c9ff", brightMagenta: "#dcb9ff", brightCyan: "#96e8e5", brightWhite: "#f4f7fa",
  },
  light: {
    background: "#fbfaf7", foreground: "#22303c", cursor: "#0b7a63", cursorAccent: "#fbfaf7", selectionBackground: "#cfe3f2",
    black: "#22303c", red: "#b3261e", green: "#1f7a33", yellow: "#8a6100", blue: "#0b5cad", magenta: "#7a3aa8", cyan: "#007a7a", white: "#5c6873",
    brightBlack: "#6f7b86", brightRed: "#c93a32", brightGreen: "#2b8f42", brightYellow: "#9a7010", brightBlue: "#2370c4", brightMagenta: "#8f50bd", brightCyan: "#178f8f", brightWhite: "#3d4a55",
  },
};

function addStyles() {
  if (document.querySelector("style[data-cx-terminal]")) return;
  const style = document.createElement("style");
  style.dataset.cxTerminal = "";
  style.textContent = styles;
  document.head.append(style);
}

/**
 * @param {import("./linux.js").Linux} linux
 * @param {HTMLElement} element
 * @param {import("../cx.d.ts").TerminalOptions} options
 * @returns {Promise<import("../cx.d.ts").TerminalHandle>}
 */
export async function openTerminal(linux, element, options) {
  addStyles();
  const terminal = new Terminal({
    allowProposedApi: true,
    cursorBlink: true,
    fontFamily: options.fontFamily ?? 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
    fontSize: options.fontSize ?? 15,
    macOptionIsMeta: true,
    scrollback: options.scrollback ?? 5000,
    theme: THEMES[options.theme ?? "dark"],
  });
  const fitter = new FitAddon();
  terminal.loadAddon(fitter);
  // The fit counts the parent's padding as room: one without any stands between.
  const room = document.createElement("div");
  room.style.cssText = "width: 100%; height: 100%; overflow: hidden";
  element.append(room);
  terminal.open(room);
  const fit = () => {
    if (room.clientWidth > 0 && room.clientHeight > 0) fitter.fit();
  };
  fit();
  const shown = (/** @type {Uint8Array} */ bytes, /** @type {number} */ vt) =>
    vt === 1 ? new Promise((resolve) => terminal.write(bytes, () => resolve(undefined))) : undefined;
  const send = linux.setCustomConsole(shown, terminal.cols, terminal.rows);
  terminal.onData((text) => send.write(text));
  // Mouse reports are bytes, not text.
  terminal.onBinary((text) => send.write(Uint8Array.from(text, (char) => char.charCodeAt(0))));
  terminal.onResize(({ cols, rows }) => send.resize(cols, rows));
  const observer = new ResizeObserver(fit);
  observer.observe(room);
  terminal.focus();
  return {
    terminal,
    fit,
    focus: () => terminal.focus(),
    setTheme: (name) => (terminal.options.theme = THEMES[name]),
    setFontSize: (pixels) => {
      terminal.options.fontSize = pixels;
      fit();
    },
    dispose: () => {
      observer.disconnect();
      terminal.dispose();
      room.remove();
    },
  };
}
