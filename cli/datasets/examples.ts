/**
 * From interactions to labelled examples, by the same extractor and the same label rules that the mesh uses.
 */
import { LabelRules } from "../../actors/joiner/label_rules.ts";
import type { TaskLabels } from "../../actors/joiner/options.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { type FeatureAttributes, FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { Dataset } from "./dataset.ts";
import type { InteractionTable } from "./interaction_table.ts";

export interface LabelledBatch {
  readonly features: FeatureBatch;
  /** 0 or 1, shape `[rows, tasks]`. */
  readonly labels: Float32Array<ArrayBuffer>;
  /** Data clock of the last row, ms. */
  readonly atMs: number;
}

export interface ExamplesOptions {
  /** From {@link datasetExtractor}. */
  readonly extractor: FeatureExtractor;
  readonly tasks: readonly TaskLabels[];
  readonly batchRows: number;
  /** Rows of the table from here (inclusive) … Default 0. */
  readonly from?: number;
  /** … to here (exclusive). Default all. */
  readonly to?: number;
}

const none: FeatureAttributes = {};

/** Makes features of a dataset's interactions, with what it says about items as their stored attributes. */
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
 * Examples in the table's order. A row on which no rule matches is negative, as a shown item that nobody touched.
 *
 * @throws {FeatureTypeError} An attribute is not of the type that its slot reads.
 */
export function* labelledBatches(
  dataset: Dataset,
  table: InteractionTable,
  options: ExamplesOptions,
): Generator<LabelledBatch> {
  const { extractor, tasks, batchRows, from = 0, to = table.rows } = options;
  const rules = new LabelRules(tasks);
  for (let begin = from; begin < to; begin += batchRows) {
    const rows = Math.min(batchRows, to - begin);
    const labels = new Float32Array(rows * tasks.length);
    const parts: FeatureBatch[] = [];
    for (let i = 0; i < rows; i++) {
      const row = begin + i;
      const fields = table.fields?.[row];
      const user = table.user(row);
      const id = table.item(row);
      parts.push(extractor.extract({
        user,
        userAttributes: merged(dataset.users.get(user), fields?.user),
        context: fields?.context ?? none,
        atMs: table.atMs[row],
        items: [fields?.item === undefined ? { id } : { id, fields: fields.item }],
      }));
      const value = Number.isNaN(table.values[row]) ? undefined : table.values[row];
      const verdict = rules.judge(fields?.action ?? dataset.action, value);
      verdict?.labels.forEach((label, task) => labels[i * tasks.length + task] = label ?? 0);
    }
    yield { features: concatenateBatches(parts), labels, atMs: table.atMs[begin + rows - 1] };
  }
}

function merged(
  known: FeatureAttributes | undefined,
  own: FeatureAttributes | undefined,
): FeatureAttributes {
  if (own === undefined) return known ?? none;
  return known === undefined ? own : { ...known, ...own };
}

/** The rows of all batches, one after another. */
export function concatenateBatches(batches: readonly FeatureBatch[]): FeatureBatch {
  const total = (length: (batch: FeatureBatch) => number) =>
    batches.reduce((sum, batch) => sum + length(batch), 0);
  const rows = total((batch) => batch.rows);
  const ids = new BigUint64Array(total((batch) => batch.ids.length));
  const segmentOffsets = new Uint32Array(total((batch) => batch.segmentOffsets.length - 1) + 1);
  const dense = new Float32Array(total((batch) => batch.dense.length));
  let [atId, atSegment, atDense] = [0, 0, 0];
  for (const batch of batches) {
    ids.set(batch.ids, atId);
    for (let i = 1; i < batch.segmentOffsets.length; i++) {
      segmentOffsets[++atSegment] = atId + batch.segmentOffsets[i];
    }
    dense.set(batch.dense, atDense);
    atId += batch.ids.length;
    atDense += batch.dense.length;
  }
  return { rows, ids, segmentOffsets, dense };
}
