/**
 * Finds the sections that have a given key, for an error about a key in the wrong section. Such a
 * key is spelled right, so the nearest known word would not help.
 */
import { type ConfigurationPath, formatPath } from "./problems.ts";
import { describedSchema, type JsonSchemaNode } from "./schema.ts";

/** More suggestions than this do not help: `kind` is a key of nearly every section. */
const SUGGESTIONS_MAX = 3;

/**
 * Dotted paths elsewhere in the file that end in the last key of `path`, e.g. `trainer.batchRows`.
 *
 * @returns Empty when there are none, or more than {@link SUGGESTIONS_MAX}.
 */
export function pathsWithSameKey(path: ConfigurationPath): string[] {
  const found = new Set<string>();
  collect(describedSchema(), [], String(path.at(-1)), found);
  // Another kind of the same map has the key: the list of keys known there says so.
  found.delete(formatPath(path));
  return found.size > SUGGESTIONS_MAX ? [] : [...found];
}

/** Skips maps whose keys the user names (slots, tasks): a path through one would be a guess. */
function collect(
  node: JsonSchemaNode,
  path: readonly string[],
  key: string,
  found: Set<string>,
): void {
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    if (name === key) found.add(formatPath([...path, name]));
    collect(value, [...path, name], key, found);
  }
  for (const option of node.oneOf ?? []) collect(option, path, key, found);
}
