/** The only error that a well-formed request can cause here: an attribute of the wrong type. */
import type { FeatureSource } from "./schema.ts";

/** An attribute is not of the type that its slot reads. The extractor's state is unchanged. */
export class FeatureTypeError extends Error {
  override readonly name = "FeatureTypeError";
  /** Path of the attribute, e.g. `items[3].attributes.year` or `context.device`. */
  readonly path: string;

  constructor(
    readonly source: FeatureSource,
    readonly attribute: string,
    /** The slot or dense value that reads the attribute. */
    readonly feature: string,
    readonly expected: string,
    readonly found: unknown,
    /** Index of the item in its request, where the source is an item. */
    readonly itemIndex?: number,
  ) {
    const path = source === "context"
      ? `context.${attribute}`
      : source === "user"
      ? `user.attributes.${attribute}`
      : `items${itemIndex === undefined ? "" : `[${itemIndex}]`}.attributes.${attribute}`;
    super(
      `Cannot make the feature "${feature}" from ${path}: it is ${
        describe(found)
      }, expected ${expected}. ` +
        `Send ${expected}, null, or leave the attribute out.`,
    );
    this.path = path;
  }
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) {
    const odd = value.find((element) => typeof element !== "string");
    return odd === undefined
      ? `a list of ${value.length} strings`
      : `a list with ${describe(odd)} in it`;
  }
  if (typeof value === "object") return "an object";
  const text = JSON.stringify(value) ?? String(value);
  const shown = text.length > 40 ? `${text.slice(0, 37)}…` : text;
  return `the ${typeof value} ${shown}`;
}
