import assert from "node:assert/strict";
import plugin from "../../scripts/lint_plugin.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Rule ids that the plugin reports for `source` as if it stood in `path`. */
function findings(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, root + path, source).map((finding) => finding.id);
}

const banned: readonly (readonly [source: string, rule: string])[] = [
  ["export const t = Date.now();", "no-ambient-clock"],
  ["export const t = globalThis.Date.now();", "no-ambient-clock"],
  ['export const t = Date["now"]();', "no-ambient-clock"],
  ["export const now = Date.now;", "no-ambient-clock"],
  ["export const { now } = Date;", "no-ambient-clock"],
  ["export const t = new Date();", "no-ambient-clock"],
  ["export const t = Date();", "no-ambient-clock"],
  ["export const t = performance.now();", "no-ambient-clock"],
  ["export const p = performance;", "no-ambient-clock"],
  ["export const r = Math.random();", "no-ambient-randomness"],
  ["export const { random } = Math;", "no-ambient-randomness"],
  ["export const id = crypto.randomUUID();", "no-ambient-randomness"],
  ["crypto.getRandomValues(new Uint8Array(8));", "no-ambient-randomness"],
  ["globalThis.crypto.getRandomValues(new Uint8Array(8));", "no-ambient-randomness"],
  ["setTimeout(() => {}, 5);", "no-ambient-timers"],
  ["globalThis.setInterval(() => {}, 5);", "no-ambient-timers"],
  ["export const later = setTimeout;", "no-ambient-timers"],
  ["export const ports = { setTimeout };", "no-ambient-timers"],
  ["export const { setTimeout: later } = globalThis;", "no-ambient-timers"],
  ["export const signal = AbortSignal.timeout(5);", "no-ambient-timers"],
  ['export const text = Deno.readTextFileSync("x");', "no-host-access"],
  ['export const home = Deno.env.get("HOME");', "no-host-access"],
  ["export const args = process.argv;", "no-host-access"],
  ['await fetch("http://localhost");', "no-host-access"],
  ["export const f = fetch as unknown;", "no-host-access"],
  ['new Worker("x");', "no-host-access"],
  ['import { readFileSync } from "node:fs"; readFileSync("x");', "no-host-access"],
  ['import { setTimeout as later } from "node:timers/promises"; await later(1);', "no-host-access"],
];

for (const [source, rule] of banned) {
  Deno.test(`an actor that says \`${source}\` is refused by ${rule}`, () => {
    assert.deepEqual(findings("actors/joiner/window.ts", source), [`cairn/${rule}`]);
  });
}

const allowed: readonly string[] = [
  "export const at = new Date(atMs).toISOString(); declare const atMs: number;",
  "export const at = Date.UTC(2026, 0, 1);",
  "export const is = (x: unknown) => x instanceof Date;",
  "export const m = Math.max(1, 2);",
  "export const hash = crypto.subtle;",
  "export interface Server { fetch(request: Request): Response; setTimeout: number }",
  "export const server = { fetch: 1, now: 2 };",
  "declare const app: { fetch: () => void }; app.fetch();",
  "export class Clock { now() { return 1; } setTimeout() {} }",
  "export type Connection = Deno.Conn;",
  "queueMicrotask(() => {});",
  'import type { Stats } from "node:fs"; export type { Stats };',
  'import assert from "node:assert/strict"; assert(true);',
];

for (const source of allowed) {
  Deno.test(`an actor may say \`${source}\``, () => {
    assert.deepEqual(findings("actors/joiner/window.ts", source), []);
  });
}

Deno.test("adapters, the command line, scripts and tests may touch the machine", () => {
  const source = 'Deno.exit(Date.now() + Math.random()); setTimeout(() => fetch("x"), 1);';
  for (
    const path of [
      "mesh/adapters/deno/clock.ts",
      "main.ts",
      "cli/progress.ts",
      "scripts/x.ts",
      "tests/y.ts",
    ]
  ) {
    assert.deepEqual(findings(path, source), [], path);
  }
  for (
    const path of [
      "mesh/simulation/world.ts",
      "gateway/app.ts",
      "kernels/main.ts",
      "configuration/cli/x.ts",
    ]
  ) {
    assert.equal(findings(path, source).length, 5, path);
  }
});

Deno.test("a finding says what to use instead and where the thing is allowed", () => {
  const [finding] = Deno.lint.runPlugin(
    plugin,
    `${root}gateway/app.ts`,
    "export const t = Date.now();",
  );
  assert.match(
    finding.message,
    /^Date\.now makes this code unrepeatable: read the time from the Clock port/,
  );
  assert.match(finding.hint ?? "", /^Allowed only in mesh\/adapters\//);
});
