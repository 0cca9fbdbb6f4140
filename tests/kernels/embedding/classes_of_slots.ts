/**
 * Tables of three classes of slots, and a replica of their rows.
 */
import assert from "node:assert/strict";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { type ClassOptions, ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { type ClassIds } from "../../../kernels/embedding/row_classes.ts";
import type { ServedWeights } from "../../../kernels/embedding/served_weights.ts";
import type {
  FeatureIds,
  SliceOptions,
  SparseOptimizerOptions,
} from "../../../kernels/embedding/options.ts";

export const SGD: SparseOptimizerOptions = { kind: "sgd", learningRate: 0.1 };
export const ADAM: SparseOptimizerOptions = {
  kind: "adam",
  learningRate: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 0.01,
};

export function slice(dim: number, optimizer = SGD, name = "embeddings"): SliceOptions {
  return { name, dim, initializer: { kind: "uniform", low: -1, high: 1 }, optimizer };
}

export const slot = (number: number, expirySeconds = 100) => ({
  number,
  admission: { kind: "threshold", threshold: 0 } as const,
  expirySeconds,
});

/**
 * Slots 1 and 2 are wide and learn by Adam, slot 3 is narrow, slot 4 has a first-order weight
 * alone.
 */
export const CLASSES: readonly ClassOptions[] = [
  { slices: [slice(1, SGD, "first_order"), slice(6, ADAM)], slots: [slot(1), slot(2)] },
  { slices: [slice(1, SGD, "first_order"), slice(2)], slots: [slot(3, 10)] },
  { slices: [slice(1, SGD, "first_order")], slots: [slot(4)] },
];
export const SHARED = { seed: 9, atLimit: "reject", bytesMax: 64 << 20 } as const;

export const tablesOf = (classes = CLASSES) => ClassTables.create({ ...SHARED, classes });
export const classNumbers = (classes: readonly ClassOptions[]) =>
  classes.map(({ slots }) => ({ slots: slots.map(({ number }) => number), slices: [] }));
export const KERNEL = BatchKernel.create(classNumbers(CLASSES));

export const idOf = (slot: number, value: number) => (BigInt(slot) << 48n) | BigInt(value);

export function grouped(ids: readonly bigint[], kernel = KERNEL): ClassIds {
  const { uniqueIds, groupStarts } = kernel.unique(BigUint64Array.from(ids), 1);
  return { ids: uniqueIds, starts: groupStarts };
}

export function learn(tables: ClassTables, ids: ClassIds, seconds: number) {
  const { length } = tables.lookup(ids, "zeros");
  const gradients = Float32Array.from({ length }, (_, i) => Math.sin(i + seconds));
  tables.applyGradients(ids, gradients, new Uint32Array(ids.ids.length).fill(1), seconds);
  return gradients;
}

/** Rows by id, as consumers keep them. */
export class Replica {
  readonly rows = new Map<bigint, Float32Array>();

  write(ids: FeatureIds, rows: ServedWeights) {
    assert.ok(rows instanceof Float32Array);
    const width = rows.length / ids.length;
    ids.forEach((id, i) => this.rows.set(id, rows.slice(i * width, (i + 1) * width)));
  }
}

export function follow(
  tables: ClassTables,
  replica: Replica,
  acknowledged: number,
  rowsMax = 5,
): number {
  for (;;) {
    const delta = tables.deltas.take(acknowledged, rowsMax);
    if (delta === undefined) return acknowledged;
    assert.equal(delta.sequence, acknowledged + 1);
    for (const changes of delta.classes) {
      if (changes === undefined) continue;
      replica.write(changes.ids, changes.rows);
      for (const id of changes.tombstones) replica.rows.delete(id);
    }
    acknowledged = delta.sequence;
  }
}

export function exported(tables: ClassTables): Map<bigint, Float32Array> {
  const all = new Replica();
  for (let page = tables.exportRows(undefined, 7);; page = tables.exportRows(page.cursor, 7)) {
    if (page.ids.length > 0) {
      assert.equal(page.rows.length, page.ids.length * tables.widths[page.class]);
      all.write(page.ids, page.rows);
    }
    if (page.done) return all.rows;
  }
}
