/**
 * The numeric settings of `cairn.yaml` with their ranges, for programs that vary settings, such as
 * a simulator.
 */
import type { ConfigurationPath } from "./problems.ts";
import { describedSchema, type JsonSchemaNode } from "./schema.ts";

/** A setting whose value is a number, a duration or a size. */
export interface NumericRange {
  /** From the root of the file; `*` stands for a name that the file chooses, or for an index. */
  readonly path: ConfigurationPath;
  /**
   * The kinds that the setting needs, by the dotted path of their map: `{ storage: "directory" }`.
   */
  readonly kinds: Readonly<Record<string, string>>;
  /** Unit of the bounds and the default. In the file, `ms` and `bytes` are texts with a unit. */
  readonly unit: "integer" | "number" | "ms" | "bytes";
  /** Smallest value; absent = unbounded. */
  readonly min?: number;
  /** Largest value; absent = unbounded. */
  readonly max?: number;
  /** True = the value must differ from the bound. */
  readonly minExclusive: boolean;
  readonly maxExclusive: boolean;
  /** Absent = the setting is required, or its default is derived from others. */
  readonly default?: number;
}

/** All numeric settings, in the order of the schema. */
export function numericRanges(): NumericRange[] {
  return [...rangesIn(describedSchema(), [], {})];
}

function* rangesIn(
  node: JsonSchemaNode,
  path: ConfigurationPath,
  kinds: NumericRange["kinds"],
): Iterable<NumericRange> {
  const range = rangeOf(node);
  if (range !== undefined) yield { path, kinds, ...range };
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    yield* rangesIn(value, [...path, name], kinds);
  }
  for (const option of node.oneOf ?? []) {
    const kind = option.properties?.kind?.const;
    yield* rangesIn(
      option,
      path,
      typeof kind === "string" ? { ...kinds, [path.join(".")]: kind } : kinds,
    );
  }
  if (node.items !== undefined) yield* rangesIn(node.items, [...path, "*"], kinds);
  if (typeof node.additionalProperties === "object") {
    yield* rangesIn(node.additionalProperties, [...path, "*"], kinds);
  }
}

function rangeOf(node: JsonSchemaNode): Omit<NumericRange, "path" | "kinds"> | undefined {
  const fallback = typeof node.default === "number" ? { default: node.default } : {};
  if (node.range !== undefined) {
    const { unit, minimum: min, maximum: max } = node.range;
    return { unit, min, max, minExclusive: false, maxExclusive: false, ...fallback };
  }
  if (node.type !== "integer" && node.type !== "number") return undefined;
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = node;
  const min = bound(minimum) ?? bound(exclusiveMinimum);
  const max = bound(maximum) ?? bound(exclusiveMaximum);
  return {
    unit: node.type,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    minExclusive: bound(minimum) === undefined && min !== undefined,
    maxExclusive: bound(maximum) === undefined && max !== undefined,
    ...fallback,
  };
}

/** A bound of the schema; bounds that only state the range of the type are left out. */
function bound(value: unknown): number | undefined {
  return typeof value === "number" && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : undefined;
}
