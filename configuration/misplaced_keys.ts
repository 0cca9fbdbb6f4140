/**
 * A key in the wrong section is no slip of the finger: finds the sections that know it.
 */
import { type ConfigurationPath, formatPath } from "./problems.ts";
import { describedSchema, type JsonSchemaNode } from "./schema.ts";

/** More say nothing: `kind` stands nearly everywhere. */
const placesMax = 3;

/** Dotted paths elsewhere whose last key is that of `path`, e.g. `trainer.batchRows`; none where there are many. */
export function placesElsewhere(path: ConfigurationPath): string[] {
  const places = new Set<string>();
  visit(describedSchema, [], String(path.at(-1)), places);
  // Another kind of this very part knows it: that is told by what is known here.
  places.delete(formatPath(path));
  return places.size > placesMax ? [] : [...places];
}

/** Parts whose keys people name themselves are left out: a path through them would be a guess. */
function visit(
  node: JsonSchemaNode,
  path: readonly string[],
  key: string,
  places: Set<string>,
): void {
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    if (name === key) places.add(formatPath([...path, name]));
    visit(value, [...path, name], key, places);
  }
  for (const option of node.oneOf ?? []) visit(option, path, key, places);
}
