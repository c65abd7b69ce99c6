#!/usr/bin/env node
// Runs one guest program in Node.js: its input, output and exit status are the guest's.

import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { runJob, statusOfFailure } from "./job.mjs";
import { parseCommand, UsageError } from "./options.mjs";
import { standardInput, writeFully } from "./stdio.mjs";

async function main() {
  const command = parseCommand(process.argv.slice(2));
  const cx = await import(new URL("../dist/cx.mjs", import.meta.url).href);
  const input = standardInput();
  const { status, stats } = await runJob(
    cx,
    { ...command, image: command.image.url },
    {
      read: () => input.next(),
      write: (fd, bytes) => writeFully(fd, bytes),
      file: (source) => readFile(source),
      log: (line) => void process.stderr.write(`${line}\n`),
    },
  );
  if (command.stats) await writeFile(command.stats, `${JSON.stringify({ host: "node", ...stats }, null, 2)}\n`);
  return status;
}

main()
  .catch((error) => {
    const text = error instanceof UsageError ? error.message : `${error.code ?? "error"}: ${error.message}`;
    process.stderr.write(`cx: ${text}\n`);
    return error instanceof UsageError ? 2 : statusOfFailure(error);
  })
  // Standard input may still be open, and would keep the process.
  .then((status) => process.exit(status));
