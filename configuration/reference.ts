/**
 * The configuration's reference for people, as Markdown: every key with what to write, its default and its meaning,
 * made from the schema that checks the file, so that the two cannot differ.
 */
import { expectation } from "./expectations.ts";
import { describedSchema, type JsonSchemaNode } from "./schema.ts";
import { formatBytes, formatDuration } from "./units.ts";

interface Row {
  readonly key: string;
  /** Which kinds the row is about, where others have another key of the same name. */
  readonly ofKinds?: readonly string[];
  readonly write: string;
  readonly fallback: string;
  readonly meaning: string;
}

/** The whole of docs/configuration.md. */
export function configurationReference(): string {
  const sections = Object.entries(describedSchema.properties ?? {});
  return [
    "# cairn.yaml",
    "",
    "Made by `deno task schema` from the schema that checks the file. Everything but `features` may be",
    "left out. A key that is not known here is an error, durations and sizes carry their units (`500ms`,",
    "`30m`, `7d`; `64KiB`, `512MiB`), and every problem is told at once with its line and column: those",
    "of values, and those between sections that are right by themselves. A name in brackets behind a",
    "key is the kind that has it so.",
    "[examples/movies.yaml](../examples/movies.yaml) and [examples/demo.yaml](../examples/demo.yaml) are",
    "whole files; [cairn.schema.json](cairn.schema.json) completes keys in editors:",
    "",
    "```yaml",
    "# yaml-language-server: $schema=docs/cairn.schema.json",
    "```",
    "",
    ...sections.flatMap(([name, node]) => sectionOf(name, node)),
  ].join("\n");
}

function sectionOf(name: string, node: JsonSchemaNode): string[] {
  const rows = new ReferenceRows();
  rows.addInside("", node);
  return [
    `## ${name}`,
    "",
    node.description ?? "",
    "",
    "| Key | Write | Default | Meaning |",
    "| --- | --- | --- | --- |",
    ...rows.lines(),
    "",
  ];
}

/** The rows of one section. What several kinds have alike stands there once. */
class ReferenceRows {
  readonly #rows = new Set<string>();
  /** Where each choice of kinds was told first, by its schema. */
  readonly #told = new Map<string, string>();

  lines(): string[] {
    return [...this.#rows];
  }

  /** What may stand in a map, a list or a choice of kinds. */
  addInside(prefix: string, node: JsonSchemaNode): void {
    const kinds = kindsOf(node);
    for (const [kind, option] of kinds) {
      this.#add({
        key: `${prefix}kind: ${kind}`,
        write: keysInWords(option),
        fallback: "",
        meaning: option.description ?? "",
      });
    }
    for (const [, option] of kinds) this.#addKeys(prefix, option, kinds);
    if (kinds.length === 0) this.#addKeys(prefix, node, []);
  }

  #addKeys(
    prefix: string,
    node: JsonSchemaNode,
    kinds: readonly [string, JsonSchemaNode][],
  ): void {
    for (const [name, value] of Object.entries(node.properties ?? {})) {
      if (name === "kind" && value.const !== undefined) continue;
      const key = `${prefix}${name}`;
      const own = kindsWithTheirOwn(name, node, kinds);
      const shape = JSON.stringify({ ...value, default: undefined });
      const told = kindsOf(value).length > 0 ? this.#told.get(shape) : undefined;
      const again = told !== undefined && told !== key;
      this.#add({
        key,
        ...(own.length > 0 && { ofKinds: own }),
        write: again ? `as \`${told}\`` : expectation(value) ?? "",
        fallback: fallbackOf(value, node.required?.includes(name) ?? false),
        meaning: again ? "" : value.description ?? "",
      });
      if (again) continue;
      this.#told.set(shape, key);
      this.#addNested(key, value);
    }
  }

  #addNested(key: string, node: JsonSchemaNode): void {
    if (node.properties !== undefined || node.oneOf !== undefined) {
      return this.addInside(`${key}.`, node);
    }
    if (node.items !== undefined) return this.#addNested(`${key}[]`, node.items);
    if (typeof node.additionalProperties === "object") {
      this.#addNested(`${key}.<name>`, node.additionalProperties);
    }
  }

  #add(row: Row): void {
    this.#rows.add(lineOf(row));
  }
}

/** The kinds that have `node`'s key of this name; none where all that have one have the same. */
function kindsWithTheirOwn(
  name: string,
  node: JsonSchemaNode,
  kinds: readonly [string, JsonSchemaNode][],
): string[] {
  const shapeOf = (option: JsonSchemaNode) =>
    JSON.stringify([option.properties?.[name], option.required?.includes(name)]);
  const having = kinds.filter(([, option]) => option.properties?.[name] !== undefined);
  const alike = having.filter(([, option]) => shapeOf(option) === shapeOf(node));
  return alike.length === having.length ? [] : alike.map(([kind]) => kind);
}

/** `learningRate, weightDecay?, …`: a question mark where it may be left out. */
function keysInWords(option: JsonSchemaNode): string {
  return Object.keys(option.properties ?? {}).filter((key) => key !== "kind")
    .map((key) => option.required?.includes(key) ? key : `${key}?`).join(", ");
}

function fallbackOf(node: JsonSchemaNode, required: boolean): string {
  if (node.default === undefined) return required ? "required" : "";
  const value = node.default;
  if (typeof value === "number" && node.expected?.includes("duration")) {
    return formatDuration(value);
  }
  if (typeof value === "number" && node.expected?.includes("size")) return formatBytes(value);
  if (typeof value === "object" && value !== null && Object.keys(value).length === 0) return "";
  return JSON.stringify(value).replaceAll('"', "").replaceAll(/([,:])(?=\S)/g, "$1 ");
}

function kindsOf(node: JsonSchemaNode): [string, JsonSchemaNode][] {
  return (node.oneOf ?? []).map((option) => [String(option.properties?.kind?.const), option]);
}

function lineOf({ key, ofKinds, write, fallback, meaning }: Row): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const value = fallback === "" || fallback === "required" ? fallback : `\`${fallback}\``;
  const kinds = ofKinds === undefined ? "" : ` (${ofKinds.join(", ")})`;
  return `| \`${key}\`${kinds} | ${cell(write)} | ${value} | ${cell(meaning)} |`;
}
