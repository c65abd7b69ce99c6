// What the browser tests share: where things are, and a terminal that a test can read.

import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const package_ = dirname(dirname(fileURLToPath(import.meta.url)));
export const dist = join(package_, "dist");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
  "--disable-sync", "--disable-dev-shm-usage",
];

/** @param {string} profile a directory, so that what the page stores is on disk as it is for users */
export async function openBrowser(profile) {
  const executablePath = process.env.CX_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launchPersistentContext(profile, { executablePath, args: FLAGS, viewport: { width: 1000, height: 640 }, acceptDownloads: true });
}

/** The bundle must be there. */
export function needBundle() {
  assert.ok(existsSync(join(dist, "cx_bg.wasm")), "there is no bundle: run `node build.mjs` in cx-web first");
}

/** The image that a preset of `cargo xtask image` makes. @param {string} preset */
export function findImage(preset) {
  if (process.env.CX_IMAGE) return process.env.CX_IMAGE;
  const directory = join(dirname(package_), "target", "images");
  const names = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(`-i386-${preset}.ext2`)) : [];
  assert.ok(names.length > 0, `there is no image: run \`cargo xtask image --preset ${preset}\` first, or set CX_IMAGE`);
  names.sort((a, b) => statSync(join(directory, b)).mtimeMs - statSync(join(directory, a)).mtimeMs);
  return join(directory, names[0]);
}

/** What {@link Terminal.number} makes of the prompt. */
const PROMPT = /\[(\d+):(\d+)\]# $/;

/** The terminal of the page, for tests that type and read. */
export class Terminal {
  /** @param {import("playwright-core").Page} page */
  constructor(page) {
    this.page = page;
  }

  /**
   * Opens the page and waits for the shell's prompt.
   * @param {import("playwright-core").BrowserContext} context
   * @param {string} url
   */
  static async open(context, url) {
    const page = await context.newPage();
    const errors = /** @type {string[]} */ ([]);
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(url);
    const terminal = new Terminal(page);
    await terminal.started();
    assert.deepEqual(errors, []);
    return terminal;
  }

  /** Waits for the first prompt. */
  async started() {
    await this.waitFor(/[#$] $/, 60_000);
  }

  /** Gives every prompt a number and the last status, so that {@link Terminal.run} knows when a command has ended. */
  async number() {
    await this.type("PS1='[\\#:$?]# '\n");
    await this.waitFor(PROMPT);
  }

  /** Loads the page again. */
  async reload() {
    await this.page.reload();
    await this.started();
    await this.number();
  }

  /** Everything the terminal holds, with lines that were wrapped joined again, without the empty end. */
  async text() {
    return this.page.evaluate(() => {
      const { terminal, error } = /** @type {any} */ (globalThis).cxPage;
      if (error) return `the page failed: ${error.code} ${error.message}`;
      if (!terminal) return "";
      const buffer = terminal.buffer.active;
      const lines = [];
      for (let at = 0; at <= buffer.baseY + buffer.cursorY; at += 1) {
        const line = buffer.getLine(at);
        // The cursor's own line keeps the spaces before the cursor: a prompt ends in one.
        const last = at === buffer.baseY + buffer.cursorY;
        const text = last ? line.translateToString(false, 0, buffer.cursorX) : line.translateToString(true);
        if (line.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
        else lines.push(text);
      }
      return lines.join("\n");
    });
  }

  /** What is on the screen, as full-screen programs draw it. */
  async screen() {
    return this.page.evaluate(() => {
      const { terminal } = /** @type {any} */ (globalThis).cxPage;
      const buffer = terminal.buffer.active;
      return Array.from({ length: terminal.rows }, (_, at) => buffer.getLine(buffer.baseY + at)?.translateToString(true).trimEnd() ?? "").join("\n");
    });
  }

  /**
   * Waits until the terminal's text matches.
   * @param {RegExp} pattern
   * @param {number} [patience] milliseconds
   * @param {() => Promise<string>} [read]
   */
  async waitFor(pattern, patience = 20_000, read = () => this.text()) {
    const end = Date.now() + patience;
    for (;;) {
      const text = await read();
      if (pattern.test(text)) return text;
      if (Date.now() > end) throw new Error(`waited ${patience} ms for ${pattern}; there is:\n${text.slice(-2000)}`);
      await this.page.waitForTimeout(25);
    }
  }

  /** @param {RegExp} pattern */
  waitForScreen(pattern) {
    return this.waitFor(pattern, 20_000, () => this.screen());
  }

  /** Keys, as a user would press them. @param {string} text */
  async type(text) {
    await this.page.keyboard.type(text);
  }

  /** @param {string} key as Playwright names it */
  async press(key) {
    await this.page.keyboard.press(key);
  }

  /**
   * Runs a command line and gives what it printed, with its status.
   * @param {string} command
   * @param {number} [patience]
   */
  async run(command, patience = 30_000) {
    const before = PROMPT.exec(await this.waitFor(PROMPT));
    await this.type(`${command}\n`);
    const end = Date.now() + patience;
    for (;;) {
      const text = await this.waitFor(PROMPT, Math.max(1, end - Date.now()));
      const after = PROMPT.exec(text);
      if (before && after && Number(after[1]) > Number(before[1])) {
        const start = text.lastIndexOf(before[0] + command) + before[0].length + command.length;
        const output = text.slice(start, after.index).replace(/^\n/, "").replace(/\n$/, "");
        return { output, status: Number(after[2]) };
      }
      await this.page.waitForTimeout(25);
    }
  }
}
