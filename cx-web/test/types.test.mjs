// The code has the types that cx.d.ts promises.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the code and its types agree", () => {
  const directory = fileURLToPath(new URL("..", import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"], { cwd: directory, encoding: "utf8" });
  assert.equal(status, 0, stdout);
});
