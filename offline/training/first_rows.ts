/**
 * First rows of new items: the mean of the rows of the item's attribute values, slice by slice,
 * where an item otherwise begins with the random row of its id. Measured by
 * `scripts/measure_cold_start.ts`; see docs/quality.md.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { floatStarts, type RowClass, widthOf } from "../../kernels/embedding/row_classes.ts";
import { present } from "../../structures/invariant.ts";
import type { LabelledBatch } from "../datasets/example_table.ts";

/** The weights of one id, by name of their slice. */
type SliceWeights = ReadonlyMap<string, Float32Array>;

export class FirstRows {
  readonly #kernel: BatchKernel;
  readonly #classes: readonly RowClass[];
  readonly #slices: ReadonlySet<string>;
  readonly #columns: number;
  readonly #itemColumn: number;
  /** Columns of the item's attributes that have ids. */
  readonly #attributeColumns: readonly number[];
  /** Ids of items and attribute values in batches so far. */
  readonly #known = new Set<bigint>();

  /** @param slices Names of the slices that begin from attributes; others begin as configured. */
  constructor({ trainer, features }: CairnConfiguration, slices: Iterable<string>) {
    const { slots } = features.schema;
    this.#classes = trainer.layout.classes;
    this.#kernel = BatchKernel.create(this.#classes);
    this.#slices = new Set(slices);
    this.#columns = slots.length;
    this.#itemColumn = slots.findIndex((slot) => slot.kind === "id" && slot.source === "item");
    this.#attributeColumns = slots.flatMap((slot, column) =>
      (slot.kind === "categorical" || slot.kind === "list") && slot.source === "item"
        ? [column]
        : []
    );
  }

  /** Writes the rows of the batch's new items that have attribute values with rows. */
  begin({ features, atMs }: Pick<LabelledBatch, "features" | "atMs">, tables: ClassTables): void {
    const attributesOf = new Map<bigint, readonly bigint[]>();
    const met: bigint[] = [];
    const idsIn = (row: number, column: number) => {
      const at = row * this.#columns + column;
      const { ids, listOffsets } = features;
      return ids.subarray(listOffsets[at], listOffsets[at + 1]);
    };
    for (let row = 0; row < features.rows; row++) {
      const attributes = this.#attributeColumns.flatMap((column) => [...idsIn(row, column)]);
      for (const item of idsIn(row, this.#itemColumn)) {
        const learned = attributes.filter((id) => this.#known.has(id));
        if (!this.#known.has(item) && learned.length > 0) attributesOf.set(item, learned);
        met.push(item);
      }
      met.push(...attributes);
    }
    for (const id of met) this.#known.add(id);
    if (attributesOf.size > 0) this.#write(attributesOf, tables, atMs);
  }

  #write(
    attributesOf: ReadonlyMap<bigint, readonly bigint[]>,
    tables: ClassTables,
    atMs: number,
  ): void {
    const attributes = new Set([...attributesOf.values()].flat());
    const learned = this.#weightsOf([...attributes], tables);
    const items = this.#kernel.unique(BigUint64Array.from(attributesOf.keys()), 1);
    const grouped = { ids: items.uniqueIds, starts: items.groupStarts };
    const rows = tables.lookup(grouped, "initial");
    this.#eachRow(grouped, rows, (item, slices) => {
      const ids = present(attributesOf.get(item), "only new items are grouped");
      for (const [name, weights] of slices) {
        if (!this.#slices.has(name)) continue;
        const alike = ids.map((id) => learned.get(id)?.get(name))
          .filter((row) => row?.length === weights.length);
        if (alike.length === 0) continue;
        weights.forEach((_, i) => {
          weights[i] = alike.reduce((sum, row) => sum + (row?.[i] ?? 0), 0) / alike.length;
        });
      }
    });
    tables.assign(grouped, rows, atMs / 1000);
  }

  #weightsOf(ids: readonly bigint[], tables: ClassTables): ReadonlyMap<bigint, SliceWeights> {
    const { uniqueIds, groupStarts } = this.#kernel.unique(BigUint64Array.from(ids), 1);
    const grouped = { ids: uniqueIds, starts: groupStarts };
    const weights = new Map<bigint, SliceWeights>();
    this.#eachRow(
      grouped,
      tables.lookup(grouped, "zeros"),
      (id, slices) => weights.set(id, slices),
    );
    return weights;
  }

  /** Calls `visit` with views of each row's slices. */
  #eachRow(
    { ids, starts }: { readonly ids: BigUint64Array; readonly starts: Uint32Array },
    rows: Float32Array,
    visit: (id: bigint, slices: SliceWeights) => void,
  ): void {
    const floats = floatStarts(starts, this.#classes.map(widthOf));
    this.#classes.forEach((rowClass, c) => {
      const width = widthOf(rowClass);
      for (let at = starts[c]; at < starts[c + 1]; at++) {
        let begin = floats[c] + (at - starts[c]) * width;
        const slices = new Map<string, Float32Array>();
        for (const { name, dim } of rowClass.slices) {
          slices.set(name, rows.subarray(begin, begin += dim));
        }
        visit(ids[at], slices);
      }
    });
  }
}
