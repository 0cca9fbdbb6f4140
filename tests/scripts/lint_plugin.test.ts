import assert from "node:assert/strict";
import plugin from "../../scripts/lint_plugin.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Ids of the rules that `source` breaks when its file is `path`. */
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
  Deno.test(`${rule} refuses \`${source}\` in an actor`, () => {
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
  Deno.test(`an actor may contain \`${source}\``, () => {
    assert.deepEqual(findings("actors/joiner/window.ts", source), []);
  });
}

Deno.test("adapters, the command line, scripts and tests may reach the machine", () => {
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

Deno.test("a finding names the port to use and the rooms that are exempt", () => {
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

const refusedComments: readonly (readonly [comment: string, rule: string, found: RegExp])[] = [
  [`// ${"long ".repeat(21)}`, "comment-columns", /columns in a comment: break/],
  [`/**\n * First line.\n * ${"long ".repeat(21)}\n */`, "comment-columns", /^10\d columns/],
  ["// What a batch holds.", "comment-opening", /name the thing first/],
  ["/** Those that wait. */", "comment-opening", /^Those/],
  ["/** Rows.\n * Of these, none. */", "comment-opening", /^Of/],
  ["/** @param rows What to add. */", "comment-opening", /^What/],
  ["// Records that nobody waits for.", "comment-persons", /name the component/],
  ["/** Answers whoever asked. */", "comment-persons", /^whoever/],
];

for (const [comment, rule, found] of refusedComments) {
  Deno.test(`${rule} refuses the comment ${JSON.stringify(comment.slice(0, 40))}`, () => {
    const source = `${comment}\nexport const x = 1;\n`;
    const [finding, ...others] = Deno.lint.runPlugin(plugin, `${root}scripts/x.ts`, source);
    assert.equal(finding.id, `cairn/${rule}`);
    assert.match(finding.message, found);
    assert.deepEqual(others, []);
  });
}

Deno.test("comments in plain English pass, and strings are no comments", () => {
  const source = `
/**
 * Applies the deltas of a shard in order, so that a replica knows what it has.
 *
 * @param rows Rows to add: those of one shard.
 * @see https://example.org/${"long/".repeat(20)}
 */
// What is a row?
// deno-lint-ignore no-explicit-any -- ${"why ".repeat(20)}
export const text = "// Nobody: ${"long ".repeat(20)}";
`;
  assert.deepEqual(findings("scripts/x.ts", source), []);
});

Deno.test("a non-null assertion is refused in production rooms and allowed in tests", () => {
  const source = "declare const x: number[] | undefined; export const y = x![0];";
  assert.deepEqual(findings("scripts/x.ts", source), ["cairn/no-non-null-assertion"]);
  assert.deepEqual(findings("tests/x.test.ts", source), []);
});

Deno.test("a test may read the environment and change nothing that other test files share", () => {
  const rules = (path: string, source: string) =>
    Deno.lint.runPlugin(plugin, `${root}${path}`, source).map(({ id }) => id);
  for (const change of ['Deno.env.set("A", "1")', 'Deno.chdir("/")', "Deno.umask(0)"]) {
    assert.deepEqual(rules("tests/cli/x.test.ts", `${change};`), ["cairn/no-shared-state"]);
    assert.deepEqual(rules("tests/bench/x.ts", `${change};`), []);
  }
  assert.deepEqual(rules("tests/cli/x.test.ts", 'Deno.env.get("A"); Deno.cwd();'), []);
});
