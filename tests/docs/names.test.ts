/**
 * Checks that the documents name nothing that does not exist: metrics, keys of the configuration,
 * and options of commands.
 */
import assert from "node:assert/strict";
import type { Command } from "commander";
import { buildCommandLine } from "../../cli/command_line.ts";
import { configurationJsonSchema } from "../../configuration/json_schema.ts";
import { listSourceFiles } from "../../scripts/source_files.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Text of the hand-written documents by path. */
async function readPages(): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  for (const folder of ["", "docs/", "docs/adr/", "docs/performance/"]) {
    for await (const { name } of Deno.readDir(root + folder)) {
      if (!name.endsWith(".md") || name === "configuration.md") continue;
      pages.set(folder + name, await Deno.readTextFile(root + folder + name));
    }
  }
  return pages;
}

const pages = await readPages();

/** The matches of `pattern`'s first group in all pages, each with its page. */
function found(pattern: RegExp): { page: string; text: string }[] {
  return [...pages].flatMap(([page, content]) =>
    [...content.matchAll(pattern)].map(([, text]) => ({ page, text }))
  );
}

Deno.test("every metric in a document is one that a source makes", async () => {
  const made = new Set<string>();
  for (const file of await listSourceFiles(root)) {
    if (file.startsWith(`${root}tests/`)) continue;
    for (const [name] of (await Deno.readTextFile(file)).matchAll(/\bcairn_[a-z_]+\b/g)) {
      made.add(name);
    }
  }
  const named = found(/`(cairn_[a-z_]+)\b(?!\*)/g).filter(({ text }) => !text.endsWith("_"));
  assert.deepEqual(named.filter(({ text }) => !made.has(text)), []);
  assert.ok(named.length > 20, `only ${named.length} metrics were seen`);
});

/** A JSON schema, as far as keys are looked up in it. */
interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

/** Whether the path leads to a key; `<name>` stands for any key of a map. */
function hasKey(whole: Schema, schema: Schema, [key, ...rest]: readonly string[]): boolean {
  if (key === undefined) return true;
  if (schema.$ref !== undefined) {
    const target = whole.$defs?.[schema.$ref.split("/").at(-1) ?? ""];
    return target !== undefined && hasKey(whole, target, [key, ...rest]);
  }
  const property = schema.properties?.[key];
  if (property !== undefined && hasKey(whole, property, rest)) return true;
  const { additionalProperties: entries } = schema;
  if (typeof entries === "object" && hasKey(whole, entries, rest)) return true;
  return [...schema.oneOf ?? [], ...schema.anyOf ?? [], ...schema.allOf ?? []]
    .some((one) => hasKey(whole, one, [key, ...rest]));
}

Deno.test("every key of the configuration in a document is one of its schema", () => {
  const schema = configurationJsonSchema() as Schema;
  const sections = Object.keys(schema.properties ?? {}).join("|");
  const keys = found(new RegExp(`\`((?:${sections})(?:\\.[\\w<>]+)+)`, "g"))
    .filter(({ text }) => !/\.(ts|md|rs)$/.test(text));
  assert.deepEqual(keys.filter(({ text }) => !hasKey(schema, schema, text.split("."))), []);
  assert.ok(keys.length > 10, `only ${keys.length} keys were seen`);
});

Deno.test("every command in a document exists, with its options", () => {
  const program = buildCommandLine({ out() {}, err() {} });
  const unknown: string[] = [];
  let commands = 0;
  for (const [page, content] of pages) {
    for (
      const [line] of content.replaceAll("\\\n", " ").matchAll(/\bdeno task (cairn|demo)\b[^\n`]*/g)
    ) {
      commands++;
      const words = line.replace(/'[^']*'/g, "x").replace(/ #.*/, "").split(/\s+/).slice(2)
        .map((word) => word === "demo:mesh" ? "demo-mesh" : word);
      let command: Command | undefined = program;
      if (words[0] === "cairn") words.shift();
      for (; words.length > 0 && /^[a-z]/.test(words[0]); words.shift()) {
        const child: Command | undefined = command.commands.find((c) => c.name() === words[0]);
        if (child === undefined) break;
        command = child;
      }
      if (command === program && /^[a-z]/.test(words[0] ?? "")) unknown.push(`${page}: ${line}`);
      const options = new Set(["--help", "--debug", ...command.options.map(({ long }) => long)]);
      for (const word of words) {
        if (word.startsWith("--") && word.length > 2 && !options.has(word.split("=")[0])) {
          unknown.push(`${page}: ${word} of ${command.name()}`);
        }
      }
    }
  }
  assert.deepEqual(unknown, []);
  assert.ok(commands > 10, `only ${commands} commands were seen`);
});

Deno.test("the glossary has each word once", () => {
  const words = [...(pages.get("docs/glossary.md") ?? "").matchAll(/^\| ([^|]+?) +\|/gm)]
    .map(([, word]) => word).filter((word) => word !== "Word" && !word.startsWith("-"));
  assert.deepEqual(words.filter((word, i) => words.indexOf(word) !== i), []);
  assert.ok(words.length > 60, `only ${words.length} words were seen`);
});
