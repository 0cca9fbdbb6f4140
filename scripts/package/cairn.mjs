#!/usr/bin/env node
// The command `cairn` of the package: runs main.js with the Deno that the package depends on and
// the flags of the task `tuned`, and passes signals on.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const configuration = JSON.parse(readFileSync(new URL("../deno.json", import.meta.url), "utf8"));
const deno = createRequire(import.meta.url)("deno/install_api.cjs").runInstall();

const child = spawn(
  deno,
  [
    ...configuration.tasks.tuned.split(" ").slice(1),
    fileURLToPath(new URL("../main.js", import.meta.url)),
    ...process.argv.slice(2),
  ],
  { stdio: "inherit" },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => child.kill(signal));
}
child.on("error", (error) => {
  console.error(`error: Deno does not start: ${error.message}`);
  process.exitCode = 1;
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exitCode = code;
  else {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
});
