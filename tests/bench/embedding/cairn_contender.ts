/**
 * Cairn's tables as a contender: `ServingTable` for serving, `EmbeddingTable` with Adagrad for
 * training. Times are those of the caller: they include all copies into and out of the WASM memory.
 */
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type { FeatureIds, TableOptions } from "../../../kernels/embedding/options.ts";
import { PoolKernel } from "../../../kernels/embedding/pool_kernel.ts";
import { ServingTable } from "../../../kernels/embedding/serving_table.ts";
import { HugePages } from "../../../mesh/adapters/linux/huge_pages.ts";
import { largeMemories } from "../../../structures/large_memories.ts";
import type { Contender, Slice } from "./contender.ts";
import { coreNanoseconds } from "./core_time.ts";
import { type Distribution, fillRows, type Sequences } from "./sequences.ts";

const BYTES_MAX = 3_000_000_000;

/** Rows of `dim` weights with the optimizer of the native peers. */
export function adagradTable(dim: number): TableOptions {
  return {
    seed: 1,
    slices: [{
      name: "embeddings",
      dim,
      initializer: { kind: "zeros" },
      optimizer: { kind: "adagrad", learningRate: 0.01, initialAccumulator: 1 },
    }],
    slots: [],
    bytesMax: BYTES_MAX,
    atLimit: "reject",
  };
}

/** One slot, whose rows are `dim` wide. */
function poolingOf(dim: number): PoolKernel {
  const part = { slot: 0, combiner: "sum", entries: 1, column: 0, dim } as const;
  return new PoolKernel({ widths: [dim], classByColumn: [0], blocks: [{ parts: [part] }] }, {
    learns: true,
  });
}

/** Runs `work` and returns its core time, nanoseconds. */
export function timed(work: () => void): number {
  const begun = coreNanoseconds();
  work();
  return coreNanoseconds() - begun;
}

type Table =
  | { readonly kind: "serving"; readonly table: ServingTable }
  | { readonly kind: "training"; readonly table: EmbeddingTable };

export class CairnContender implements Contender {
  readonly name = "ours";
  readonly #sequences: Sequences;
  readonly #hugePages: HugePages | undefined;
  readonly #batch = BatchKernel.create();
  #pooling = poolingOf(1);
  #held: Table | undefined;
  #learns = false;
  #dim = 0;
  #out = new Float32Array();
  #found = new Uint8Array();
  #ones = new Uint32Array();

  constructor(sequences: Sequences, hugePages: boolean) {
    this.#sequences = sequences;
    this.#hugePages = hugePages ? HugePages.open(largeMemories) : undefined;
    if (hugePages && this.#hugePages === undefined) throw new Error("There are no huge pages here");
  }

  create(dim: number, learns: boolean): Promise<void> {
    this.#dim = dim;
    this.#learns = learns;
    this.#pooling = poolingOf(dim);
    this.#out = new Float32Array(4096 * dim);
    this.#found = new Uint8Array(4096);
    this.#ones = new Uint32Array(4096).fill(1);
    this.#held = undefined;
    return Promise.resolve();
  }

  insert(batch: number): Promise<readonly number[]> {
    const { keys } = this.#sequences;
    const dim = this.#dim;
    const rows = new Float32Array(batch * dim);
    this.#held = this.#learns
      ? { kind: "training", table: EmbeddingTable.create(adagradTable(dim)) }
      : {
        kind: "serving",
        table: ServingTable.create({ width: dim, precision: "fp32", bytesMax: BYTES_MAX }),
      };
    const held = this.#held;
    const spent: number[] = [];
    for (let start = 0; start < keys.length; start += batch) {
      const ids = keys.subarray(start, start + batch);
      fillRows(ids, dim, rows);
      const values = rows.subarray(0, ids.length * dim);
      spent.push(
        timed(() =>
          held.kind === "serving"
            ? held.table.upsert(ids, values)
            : held.table.assign(ids, values, 0)
        ),
      );
    }
    if (held.table.statistics().rows !== keys.length) throw new Error("A key got no row");
    return Promise.resolve(spent);
  }

  async settle(): Promise<void> {
    while (await this.#hugePages?.collapseNext() === "done");
  }

  lookup({ distribution, batch, start, batches }: Slice): Promise<number> {
    const draws = this.#sequences.draws[distribution];
    const spent = timed(() => {
      for (let at = start; at < start + batches; at++) {
        this.#find(draws.subarray(at * batch, (at + 1) * batch));
      }
    });
    return Promise.resolve(spent);
  }

  update({ distribution, batch, start, batches }: Slice): Promise<number> {
    const { ids, lengths } = this.#sequences.distinct[distribution].get(batch)!;
    const table = this.#training();
    const { gradients } = this.#sequences;
    let at = 0;
    for (let index = 0; index < start; index++) at += lengths[index];
    const spent = timed(() => {
      for (let index = start; index < start + batches; index++) {
        const length = lengths[index];
        const values = gradients.subarray(0, length * this.#dim);
        table.applyGradients(
          ids.subarray(at, at + length),
          values,
          this.#ones.subarray(0, length),
          0,
        );
        at += length;
      }
    });
    return Promise.resolve(spent);
  }

  /**
   * Duplicates are summed as the trainer sums them: by the gradient of pooling, with one id a list.
   * The pooling before it belongs to the forward pass and is not timed, and the dense step writes
   * its gradients where the kernel reads them.
   */
  dedupe({ distribution, batch, start, batches }: Slice): Promise<number> {
    const draws = this.#sequences.draws[distribution];
    const table = this.#training();
    const dim = this.#dim;
    const values = this.#sequences.gradients.subarray(0, batch * dim);
    const listOffsets = Uint32Array.from({ length: batch + 1 }, (_, i) => i);
    let spent = 0;
    for (let at = start; at < start + batches; at++) {
      const ids = draws.subarray(at * batch, (at + 1) * batch);
      const begun = coreNanoseconds();
      const { uniqueIds, groupStarts, inverse, counts } = this.#batch.unique(ids, 1);
      spent += coreNanoseconds() - begun;
      const rows = this.#out.subarray(0, uniqueIds.length * dim);
      this.#pooling.pool([rows], { groupStarts, inverse, listOffsets });
      const blocks = this.#pooling.gradientBlocks();
      blocks[0].set(values);
      const resumed = coreNanoseconds();
      table.applyGradients(uniqueIds, this.#pooling.gradients(blocks), counts, 0);
      spent += coreNanoseconds() - resumed;
    }
    return Promise.resolve(spent);
  }

  sum(distribution: Distribution, count: number): Promise<number> {
    const draws = this.#sequences.draws[distribution];
    let sum = 0;
    for (let start = 0; start < count; start += 4096) {
      const ids = draws.subarray(start, Math.min(start + 4096, count));
      this.#find(ids);
      if (this.#held?.kind === "serving" && this.#found.subarray(0, ids.length).includes(0)) {
        throw new Error("An id that was inserted is missing");
      }
      for (const weight of this.#out.subarray(0, ids.length * this.#dim)) sum += weight;
    }
    return Promise.resolve(sum);
  }

  /** Every weight of the first `count` draws is the one that was inserted. Throws otherwise. */
  assertRows(distribution: Distribution, count: number): void {
    const ids = this.#sequences.draws[distribution].subarray(0, count);
    const expected = new Float32Array(4096 * this.#dim);
    for (let start = 0; start < count; start += 4096) {
      const some = ids.subarray(start, Math.min(start + 4096, count));
      this.#find(some);
      fillRows(some, this.#dim, expected);
      for (let index = 0; index < some.length * this.#dim; index++) {
        if (this.#out[index] !== expected[index]) {
          throw new Error(`Weight ${index % this.#dim} of a row is not the one inserted`);
        }
      }
    }
  }

  close(): Promise<void> {
    this.#held = undefined;
    return Promise.resolve();
  }

  #find(ids: FeatureIds): void {
    const held = this.#held!;
    const out = this.#out.subarray(0, ids.length * this.#dim);
    const found = this.#found.subarray(0, ids.length);
    if (held.kind === "serving") held.table.lookup(ids, out, found);
    else held.table.lookup(ids, out, "zeros", found);
  }

  #training(): EmbeddingTable {
    if (this.#held?.kind !== "training") throw new Error("Only a table that learns can be updated");
    return this.#held.table;
  }
}
