/**
 * From interactions to labelled examples, by the same extractor and the same label rules that the
 * mesh uses.
 */
import { LabelRules } from "../../actors/joiner/label_rules.ts";
import type { TaskLabels } from "../../actors/joiner/options.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { FeatureAttributes, FeatureItem } from "../../kernels/features/feature_request.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { Dataset } from "./dataset.ts";
import type { KeptOfRows } from "./kept_of_rows.ts";
import { concatenateBatches, ExampleTable } from "./example_table.ts";
import { type InteractionTable, readInteractions, tableOf } from "./interaction_table.ts";

export interface ExamplesOptions {
  /** From {@link datasetExtractor}. */
  readonly extractor: FeatureExtractor;
  readonly tasks: readonly TaskLabels[];
  /** Adds the features that the server keeps; absent = none are kept. */
  readonly kept?: KeptOfRows;
  /** First row. Default 0. */
  readonly from?: number;
  /** End of the rows, exclusive. Default all. */
  readonly to?: number;
  /** Called from time to time with the rows made so far. */
  readonly onProgress?: (rows: number) => void;
}

/** Rows of a table, `to` excluded. */
interface RowRange {
  readonly from: number;
  readonly to: number;
}

const none: FeatureAttributes = {};

/** Makes features of a dataset's interactions, with the dataset's items as stored profiles. */
export function datasetExtractor(
  schema: FeatureSchema,
  { items }: Dataset,
  itemCacheBytesMax = 0,
): FeatureExtractor {
  return new FeatureExtractor(schema, FeatureHasher.create(), {
    storedItems: (ids) => ids.map((id) => items.get(id)),
    itemCacheBytesMax,
  });
}

/**
 * All examples of a dataset, in order of time. Features are made of each chunk as it is read,
 * because a row's texts take many times the memory of its ids.
 *
 * @param onProgress Called after each chunk with the rows so far.
 * @throws {DatasetError} On a line that cannot be read.
 */
export async function readExamples(
  dataset: Dataset,
  options: Pick<ExamplesOptions, "extractor" | "tasks" | "kept" | "onProgress">,
): Promise<ExampleTable> {
  const { extractor, tasks, kept, onProgress } = options;
  // Kept features of a row are those of the rows before it, and files are not sorted.
  if (kept !== undefined) {
    return labelledExamples(dataset, await readInteractions(dataset), options);
  }
  const parts: ExampleTable[] = [];
  let rows = 0;
  for await (const chunk of dataset.interactions()) {
    parts.push(labelledExamples(dataset, tableOf(chunk), { extractor, tasks }));
    rows += chunk.users.length;
    onProgress?.(rows);
  }
  return ExampleTable.joined(parts).byTime();
}

/** Rows whose features are concatenated at a time; bounds the number of small arrays. */
const ROWS_JOINED = 4096;

/**
 * Examples in the table's order. A row that no rule matches is negative, as an item that was shown
 * without an action.
 *
 * @throws {FeatureTypeError} When an attribute does not have the type that its slot reads.
 */
export function labelledExamples(
  dataset: Dataset,
  table: InteractionTable,
  options: ExamplesOptions,
): ExampleTable {
  const { tasks, from = 0, to = table.rows } = options;
  const joined: FeatureBatch[] = [];
  const requests = new Float64Array(to - from);
  for (let begin = from; begin < to; begin += ROWS_JOINED) {
    const end = Math.min(to, begin + ROWS_JOINED);
    const parts: FeatureBatch[] = [];
    for (let row = begin; row < end;) {
      const next = requestEnd(table, row, end);
      parts.push(extractRows(dataset, table, { from: row, to: next }, options));
      requests.fill(row - from, row - from, next - from);
      row = next;
    }
    joined.push(concatenateBatches(parts));
    options.onProgress?.(end - from);
  }
  return new ExampleTable(
    concatenateBatches(joined),
    labelsOf(dataset, table, { from, to }, tasks),
    table.atMs.subarray(from, to),
    requests,
  );
}

/**
 * Rows from `row` on that differ only in their items become one request, which is many times faster
 * than one each.
 */
function requestEnd(table: InteractionTable, row: number, limit: number): number {
  const { userOf, atMs, fields } = table;
  const first = fields?.[row];
  let end = row + 1;
  if (first?.user !== undefined || first?.context !== undefined) return end;
  while (
    end < limit && userOf[end] === userOf[row] && atMs[end] === atMs[row] &&
    fields?.[end]?.user === undefined && fields?.[end]?.context === undefined
  ) {
    end++;
  }
  return end;
}

function extractRows(
  dataset: Dataset,
  table: InteractionTable,
  { from, to }: RowRange,
  { extractor, kept }: Pick<ExamplesOptions, "extractor" | "kept">,
): FeatureBatch {
  const user = table.user(from);
  const fields = table.fields?.[from];
  const items: FeatureItem[] = [];
  for (let row = from; row < to; row++) {
    const id = table.item(row);
    const own = table.fields?.[row]?.item;
    items.push(own === undefined ? { id } : { id, fields: own });
  }
  const atMs = table.atMs[from];
  const own = kept?.read(user, items, atMs);
  const features = extractor.extract({
    user,
    userAttributes: { ...merged(dataset.users.get(user), own?.user), ...fields?.user },
    context: fields?.context ?? none,
    atMs,
    items,
    ...(own && { keptOfItems: own.items }),
  });
  kept?.take({
    user,
    items,
    atMs,
    actions: items.map((_, i) => ({
      action: table.fields?.[from + i]?.action ?? dataset.action,
      value: table.values[from + i],
    })),
  });
  return features;
}

function labelsOf(
  dataset: Dataset,
  table: InteractionTable,
  { from, to }: RowRange,
  tasks: readonly TaskLabels[],
): Float32Array<ArrayBuffer> {
  const rules = new LabelRules(tasks);
  const labels = new Float32Array((to - from) * tasks.length);
  for (let row = from; row < to; row++) {
    const value = Number.isNaN(table.values[row]) ? undefined : table.values[row];
    const verdict = rules.judge(table.fields?.[row]?.action ?? dataset.action, value);
    verdict?.labels.forEach((label, task) =>
      labels[(row - from) * tasks.length + task] = label ?? 0
    );
  }
  return labels;
}

function merged(
  known: FeatureAttributes | undefined,
  own: FeatureAttributes | undefined,
): FeatureAttributes {
  if (own === undefined) return known ?? none;
  return known === undefined ? own : { ...known, ...own };
}
