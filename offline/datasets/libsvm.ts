/**
 * `label index:value index:value …`, as sparse learners exchange examples.
 *
 * An index becomes the context attribute of that name (`{ kind: numeric, source: context,
 * attribute: "7" }`), and the list attribute `indices` holds every index with a value other than 0
 * (`{ kind: list, source: context, attribute: indices }`). `qid:n` becomes the user. Where all rows
 * have the same number of indices, each position may be a feature and its index a category, as
 * benchmarks write a table of categories: they are then read as the item's attributes `field_1`,
 * `field_2`, ….
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import { ChunkBuilder, type Dataset, type InteractionChunk, type RowFields } from "./dataset.ts";
import { DatasetError, numberAt, shown } from "./errors.ts";
import { readLines } from "./lines.ts";

/**
 * @param fields Number of indices per row, to read each position as a feature. Default: each index
 * is a feature.
 */
export function openLibsvm(file: string, action: string, fields?: number): Dataset {
  return {
    name: "libsvm",
    action,
    users: new Map(),
    items: new Map(),
    interactions: () => readLibsvm(file, fields),
  };
}

/** The attribute of each position in a row. */
export function fieldNames(fields: number): string[] {
  return Array.from({ length: fields }, (_, i) => `field_${i + 1}`);
}

/** Rows that are read to find the shape of a file. */
const ROWS_LOOKED_AT = 1000;

/**
 * Number of indices per row, if the first rows have the same number, all of value 1; otherwise
 * undefined.
 */
export async function uniformFields(file: string): Promise<number | undefined> {
  let fields: number | undefined;
  let rows = 0;
  for await (const { pairs } of readRows(file)) {
    fields ??= pairs.length;
    if (pairs.length !== fields || pairs.some(({ value }) => value !== 1)) return undefined;
    if (++rows === ROWS_LOOKED_AT) break;
  }
  return fields === 0 ? undefined : fields;
}

async function* readLibsvm(file: string, fields?: number): AsyncGenerator<InteractionChunk> {
  const chunk = new ChunkBuilder();
  const names = fields === undefined ? undefined : fieldNames(fields);
  for await (const { line, label, user, pairs } of readRows(file)) {
    const attributes = names === undefined ? byIndex(pairs) : byPlace(pairs, names, file, line);
    chunk.add(user, "", label, 0, attributes);
    if (chunk.full) yield chunk.take();
  }
  if (chunk.rows > 0) yield chunk.take();
}

interface Pair {
  readonly index: string;
  readonly value: number;
}

interface Row {
  /** From 1. */
  readonly line: number;
  readonly label: number;
  readonly user: string;
  readonly pairs: readonly Pair[];
}

async function* readRows(file: string): AsyncGenerator<Row> {
  for await (const { firstLine, lines } of readLines(file)) {
    for (let i = 0; i < lines.length; i++) {
      const line = firstLine + i;
      const [label, ...texts] = lines[i].replace(/#.*$/, "").trim().split(/\s+/);
      if (label === "") continue;
      const pairs: Pair[] = [];
      let user = "";
      for (const pair of texts) {
        const [index, text, ...more] = pair.split(":");
        if (index === "" || text === undefined || more.length > 0) {
          throw new DatasetError(file, line, `found ${shown(pair)}, expected index:value.`);
        }
        if (index === "qid") user = text;
        else pairs.push({ index, value: numberAt(text, file, line, `value of index ${index}`) });
      }
      yield { line, label: numberAt(label, file, line, "label"), user, pairs };
    }
  }
}

function byIndex(pairs: readonly Pair[]): RowFields {
  const context: Record<string, FeatureAttributes[string]> = {};
  for (const { index, value } of pairs) context[index] = value;
  const indices = pairs.filter(({ value }) => value !== 0).map(({ index }) => index);
  return { context: { ...context, indices } };
}

function byPlace(
  pairs: readonly Pair[],
  names: readonly string[],
  file: string,
  line: number,
): RowFields {
  if (pairs.length !== names.length || pairs.some(({ value }) => value !== 1)) {
    throw new DatasetError(
      file,
      line,
      `it is not ${names.length} indices of value 1, as the first rows are, each of which was taken for a ` +
        "feature; say by --config what the features are (offline/datasets/libsvm.ts has the attributes' names).",
    );
  }
  return { item: Object.fromEntries(pairs.map(({ index }, i) => [names[i], index])) };
}
