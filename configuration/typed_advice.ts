/**
 * Advice for mistakes in `--set` options.
 */
import { type Finding, formatPath, type TypedChange } from "./problems.ts";
import { schemaAt, valueAt } from "./schema_paths.ts";

/**
 * Advice for two mistakes in `--set` options, as the end of a message; empty for other findings.
 *
 * - A kind was set in place of the map that has it (`storage=directory`): advises
 *   `storage.kind=directory`.
 * - An option created a map without its kind (`storage.path=data`): advises to set the whole map.
 */
export function typedInstead(
  { path, made }: TypedChange,
  finding: Finding,
  value: unknown,
): string {
  const typedKind = valueAt(value, path);
  const kinds = schemaAt(path, value)?.oneOf?.map(({ properties }) => properties?.kind?.const);
  if (formatPath(finding.path) === formatPath(path) && kinds?.includes(typedKind)) {
    return `; write --set ${formatPath([...path, "kind"])}=${typedKind}`;
  }
  const [kind, key] = [formatPath([...made, "kind"]), path[made.length]];
  if (path.length <= made.length || key === "kind" || formatPath(finding.path) !== kind) return "";
  const options = (schemaAt(made, {})?.oneOf ?? [])
    .filter((option) => Object.hasOwn(option.properties ?? {}, key)).slice(0, 2);
  const typed = options.map(({ properties, required }) => {
    const others = (required ?? []).filter((name) => name !== "kind" && name !== key);
    const keys = [...others, key].map((name) => `${name}: …`).join(", ");
    return `--set '${formatPath(made)}={ kind: ${properties?.kind?.const}, ${keys} }'`;
  });
  return typed.length === 0 ? "" : `; write ${typed.join(" or ")}`;
}
