// Builds `dist/`: the API as an ES module (cx.mjs) and as a classic script (cx.js), the worker, the engine, the page.
//
//   node build.mjs [--profile web|release|dev] [--skip-cargo] [--wasm-bindgen PATH]
//
// CARGO names another cargo, CARGO_TARGET_DIR another target directory, as usual.

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const workspace = dirname(here);
const finished = join(here, "dist");
// Built aside, and put in place when it is whole: who runs the bundle meanwhile is not disturbed.
const dist = join(here, "build", `dist-${process.pid}`);
const glue = join(here, "build", `glue-${process.pid}`);

const { values: options } = parseArgs({
  options: {
    profile: { type: "string", default: "web" },
    "skip-cargo": { type: "boolean", default: false },
    "wasm-bindgen": { type: "string" },
  },
});

/**
 * @param {string} program
 * @param {string[]} args
 */
function run(program, args) {
  try {
    execFileSync(program, args, { cwd: workspace, stdio: ["ignore", 2, 2] });
  } catch (error) {
    console.error(`${program} ${args.join(" ")} failed: ${/** @type {Error} */ (error).message}`);
    process.exit(1);
  }
}

function buildEngine() {
  const target = "wasm32-unknown-unknown";
  if (!options["skip-cargo"]) {
    run(process.env.CARGO ?? "cargo", ["build", "--package", "cx-web", "--lib", "--target", target, "--profile", options.profile]);
  }
  const directory = options.profile === "dev" ? "debug" : options.profile;
  const wasm = join(process.env.CARGO_TARGET_DIR ?? join(workspace, "target"), target, directory, "cx_web.wasm");
  const installed = join(workspace, "target", "tools", "bin", "wasm-bindgen");
  const bindgen = options["wasm-bindgen"] ?? (existsSync(installed) ? installed : "wasm-bindgen");
  // Names of functions are for profilers; who wants them builds with another profile.
  const strip = options.profile === "web" ? ["--remove-name-section", "--remove-producers-section"] : [];
  run(bindgen, [wasm, "--out-dir", glue, "--out-name", "cx", "--target", "web", "--no-typescript", ...strip]);
}

/** @type {import("esbuild").BuildOptions} */
const common = {
  bundle: true,
  minify: true,
  target: "es2022",
  loader: { ".css": "text" },
  logLevel: "warning",
  legalComments: "eof",
};

async function bundle() {
  mkdirSync(dist, { recursive: true });
  const js = (/** @type {string} */ name) => join(here, "js", name);
  const out = (/** @type {string} */ name) => join(dist, name);
  // The glue asks for its own address only where it is not told the module's.
  const noAddress = { "import.meta.url": '""' };
  const classic = { "import.meta.url": "__cxScript" };
  const banner = 'var __cxScript=typeof document==="object"&&document.currentScript?document.currentScript.src:location.href;';
  await Promise.all([
    build({ ...common, entryPoints: [js("index.js")], outfile: out("cx.mjs"), format: "esm" }),
    build({ ...common, entryPoints: [js("index.js")], outfile: out("cx.js"), format: "iife", globalName: "CX", define: classic, banner: { js: banner } }),
    build({ ...common, entryPoints: [js("terminal.js")], outfile: out("terminal.js"), format: "esm" }),
    build({ ...common, entryPoints: [js("worker/main.js")], outfile: out("worker.js"), format: "iife", define: noAddress, alias: { "cx-engine": join(glue, "cx.js") } }),
    build({ ...common, entryPoints: [join(here, "page", "page.js")], outfile: out("page.js"), format: "esm" }),
    build({ ...common, loader: {}, entryPoints: [join(here, "page", "page.css")], outfile: out("page.css") }),
  ]);
  copyFileSync(join(glue, "cx_bg.wasm"), out("cx_bg.wasm"));
  copyFileSync(join(here, "page", "index.html"), out("index.html"));
  copyFileSync(join(here, "cx.d.ts"), out("cx.d.ts"));
}

/** Compresses what a browser loads, for servers that send `NAME.br` or `NAME.gz` in place of `NAME`, and adds the smaller ones up. */
function compress() {
  const names = ["cx_bg.wasm", "worker.js", "page.js", "terminal.js", "page.css", "index.html"];
  const total = { brotli: 0, gzip: 0 };
  for (const name of names) {
    const whole = readFileSync(join(dist, name));
    const gzip = gzipSync(whole, { level: 9 });
    const best = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: whole.length };
    const brotli = brotliCompressSync(whole, { params: best });
    writeFileSync(join(dist, `${name}.gz`), gzip);
    writeFileSync(join(dist, `${name}.br`), brotli);
    total.brotli += brotli.length;
    total.gzip += gzip.length;
    const column = (/** @type {number} */ bytes, /** @type {number} */ width) => String(bytes).padStart(width);
    console.error(`${name.padEnd(14)} ${column(whole.length, 9)} bytes, ${column(brotli.length, 8)} compressed (brotli), ${column(gzip.length, 8)} (gzip)`);
  }
  console.error(`${"bundle".padEnd(14)} ${String(total.brotli).padStart(25)} compressed (brotli), ${String(total.gzip).padStart(8)} (gzip)`);
  const limit = { brotli: 1_500_000, gzip: 2_000_000 };
  if (options.profile === "web" && (total.brotli > limit.brotli || total.gzip > limit.gzip)) {
    console.error(`the bundle is over its limit of ${limit.brotli} bytes in brotli and ${limit.gzip} in gzip`);
    process.exit(1);
  }
}

buildEngine();
await bundle();
compress();
rmSync(finished, { recursive: true, force: true });
renameSync(dist, finished);
rmSync(glue, { recursive: true, force: true });
