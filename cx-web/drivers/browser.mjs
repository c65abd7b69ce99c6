#!/usr/bin/env node
// Runs one guest program in a headless browser: its input, output and exit status are the guest's. The page talks
// with this process over the server that it was loaded from, so any browser will do, and bytes stay bytes.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseCommand, UsageError } from "./options.mjs";
import { serve } from "./server.mjs";
import { standardInput, writeFully } from "./stdio.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** How to start each browser on an empty profile. */
const BROWSERS = /** @type {Record<string, {program: string, args: (profile: string) => string[], prepare?: (profile: string) => void}>} */ ({
  chromium: {
    program: "/usr/bin/chromium",
    args: (profile) => [
      "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-default-browser-check",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
      // Nobody looks at the page, and it must run at full speed all the same.
      "--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-dev-shm-usage",
      `--user-data-dir=${profile}`,
    ],
  },
  firefox: {
    program: "/usr/bin/firefox",
    args: (profile) => ["--headless", "--no-remote", "--profile", profile],
    prepare: (profile) =>
      writeFileSync(
        join(profile, "user.js"),
        ["browser.shell.checkDefaultBrowser", "datareporting.policy.dataSubmissionEnabled", "app.update.enabled", "app.normandy.enabled", "toolkit.telemetry.enabled", "network.captive-portal-service.enabled", "network.connectivity-service.enabled", "extensions.update.enabled", "browser.safebrowsing.malware.enabled", "browser.safebrowsing.phishing.enabled"]
          .map((name) => `user_pref("${name}", false);\n`)
          .join("") + 'user_pref("datareporting.policy.firstRunURL", "");\nuser_pref("services.settings.server", "data:,");\n',
      ),
  },
});

/** @param {import("node:http").IncomingMessage} request */
async function bodyOf(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

async function main() {
  const command = parseCommand(process.argv.slice(2));
  const browser = BROWSERS[command.browser];
  if (!browser) throw new UsageError(`--browser is one of ${Object.keys(BROWSERS).join(", ")}, not ${command.browser}`);

  /** @type {Record<string, string>} */
  const files = { "/run.html": join(here, "run.html"), "/run.mjs": join(here, "run.mjs"), "/job.mjs": join(here, "job.mjs") };
  if (!command.image.remote) files["/image"] = command.image.path;
  const mounts = command.mounts.map((mount, index) => ({
    ...mount,
    files: mount.files.map((file, at) => {
      const source = `/mount/${index}/${at}`;
      files[source] = file.source;
      return { ...file, source };
    }),
  }));
  const job = { ...command, mounts, image: command.image.remote ? command.image.url : "/image" };

  const input = standardInput();
  /** @type {(result: {status: number, stats?: object, error?: string}) => void} */
  let finish = () => {};
  /** @type {Promise<{status: number, stats?: object, error?: string}>} */
  const finished = new Promise((resolve) => (finish = resolve));
  /** @type {Record<string, (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => Promise<void>>} */
  const calls = {
    "GET /io/job": async (_request, response) => void response.end(JSON.stringify(job)),
    "POST /io/read": async (_request, response) => {
      const bytes = await input.next();
      response.writeHead(bytes ? 200 : 204).end(bytes ?? undefined);
    },
    "POST /io/1": async (request, response) => {
      response.writeHead((await writeFully(1, await bodyOf(request))) ? 204 : 410).end();
    },
    "POST /io/2": async (request, response) => {
      response.writeHead((await writeFully(2, await bodyOf(request))) ? 204 : 410).end();
    },
    "POST /io/exit": async (request, response) => {
      const result = JSON.parse((await bodyOf(request)).toString());
      response.writeHead(204).end();
      finish(result);
    },
  };
  const server = await serve({
    directory: join(dirname(here), "dist"),
    files,
    intercept: (request, response) => {
      const call = calls[`${request.method} ${request.url}`];
      call?.(request, response).catch((error) => response.destroy(error));
      return call !== undefined;
    },
  });

  const profile = mkdtempSync(join(tmpdir(), "cx-browser-"));
  browser.prepare?.(profile);
  const program = command.browserPath ?? browser.program;
  // A group of its own: ending the browser ends its helpers too.
  const child = spawn(program, [...browser.args(profile), `${server.origin}/run.html`], { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => (said = (said + text).slice(-4000)));
  child.on("error", (error) => finish({ status: 125, error: `${program} could not be started: ${error.message}` }));
  child.on("exit", (code) => finish({ status: 125, error: `the browser ended (${code}) before the program did\n${said}` }));
  const stop = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
    process.on(signal, () => {
      stop();
      process.exit(130);
    });
  }
  try {
    const { status, stats, error } = await finished;
    if (error) process.stderr.write(`cx: ${error}\n`);
    if (command.stats && stats) writeFileSync(command.stats, `${JSON.stringify({ host: command.browser, ...stats }, null, 2)}\n`);
    return status;
  } finally {
    stop();
  }
}

main()
  .catch((error) => {
    process.stderr.write(`cx: ${error.message}\n`);
    return error instanceof UsageError ? 2 : 125;
  })
  .then((status) => process.exit(status));
