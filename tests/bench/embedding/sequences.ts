/**
 * The ids for all contenders: distinct random keys, and draws from them, uniform or
 * Zipf-distributed. They are written to a folder, so that native peers read the same bytes.
 */
import { join } from "node:path";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import type { FeatureIds } from "../../../kernels/embedding/options.ts";

export type Distribution = "uniform" | "zipf";
export const DISTRIBUTIONS: readonly Distribution[] = ["uniform", "zipf"];
const ZIPF_EXPONENT = 1.05;

/** Batches of distinct ids, one after another. */
export interface DistinctBatches {
  readonly ids: FeatureIds;
  readonly lengths: Uint32Array<ArrayBuffer>;
}

export interface Sequences {
  readonly folder: string;
  /** Distinct, random, in order of insertion. */
  readonly keys: FeatureIds;
  readonly draws: Readonly<Record<Distribution, FeatureIds>>;
  /** For updates: the draws of each batch without duplicates. */
  readonly distinct: Readonly<Record<Distribution, ReadonlyMap<number, DistinctBatches>>>;
  /** Gradients of one batch, shape `[4096, 64]` read as `[batch, dim]`; every batch uses them. */
  readonly gradients: Float32Array<ArrayBuffer>;
}

export async function writeSequences(
  folder: string,
  keyCount: number,
  drawCount: number,
  batches: readonly number[],
): Promise<Sequences> {
  const random = smallFastCounter(20_220_916);
  const keys = distinctKeys(keyCount, random);
  const shuffled = permutation(keyCount, random);
  const zipf = zipfSampler(keyCount, ZIPF_EXPONENT, random);
  const zipfRows = Uint32Array.from({ length: drawCount }, () => shuffled[zipf() - 1]);
  const uniformRows = Uint32Array.from({ length: drawCount }, () => below(keyCount, random));
  const draws = { uniform: gather(keys, uniformRows), zipf: gather(keys, zipfRows) };
  const gradients = Float32Array.from({ length: 4096 * 64 }, () => (random() / 2 ** 32 - 0.5) / 8);
  const kernel = BatchKernel.create();
  const distinct = {
    uniform: new Map(
      batches.map((batch) => [batch, withoutDuplicates(draws.uniform, batch, kernel)]),
    ),
    zipf: new Map(batches.map((batch) => [batch, withoutDuplicates(draws.zipf, batch, kernel)])),
  };
  const write = (name: string, words: ArrayBufferView<ArrayBuffer>) =>
    Deno.writeFile(
      join(folder, name),
      new Uint8Array(words.buffer, words.byteOffset, words.byteLength),
    );
  await write("keys", keys);
  await write("gradients", gradients);
  await write("zipf.rows", zipfRows);
  for (const distribution of DISTRIBUTIONS) {
    await write(distribution, draws[distribution]);
    for (const [batch, { ids, lengths }] of distinct[distribution]) {
      await write(`${distribution}_${batch}`, ids);
      await write(`${distribution}_${batch}.lengths`, lengths);
    }
  }
  return { folder, keys, draws, distinct, gradients };
}

/** The weight of (id, column) in every contender: exact in float32, from the id's low 32 bits. */
export function fillRows(ids: FeatureIds, dim: number, rows: Float32Array): void {
  const words = new Uint32Array(ids.buffer, ids.byteOffset, ids.length * 2);
  for (let row = 0; row < ids.length; row++) {
    const low = words[2 * row];
    for (let column = 0; column < dim; column++) {
      rows[row * dim + column] = ((low ^ Math.imul(column, 0x9E3779B1)) >>> 8) / 2 ** 24;
    }
  }
}

/** Chris Doty-Humphrey's SFC32: uniform 32-bit words. */
function smallFastCounter(seed: number): () => number {
  let a = seed, b = 0x9E3779B9, c = 0x243F6A88, counter = 1;
  const next = () => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return sum >>> 0;
  };
  for (let warm = 0; warm < 16; warm++) next();
  return next;
}

function below(limit: number, random: () => number): number {
  return Math.floor(random() / 2 ** 32 * limit);
}

/** Random 64-bit words; {@link BatchKernel.unique} proves them distinct. */
function distinctKeys(count: number, random: () => number): FeatureIds {
  const words = Uint32Array.from({ length: 2 * count }, random);
  const keys = new BigUint64Array(words.buffer);
  if (BatchKernel.create().unique(keys, 1).uniqueIds.length !== count) {
    throw new Error("Cannot benchmark: the seed gave a key twice; choose another");
  }
  return keys;
}

function permutation(count: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = below(last + 1, random);
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/**
 * Ranks 1 to `count` with probability proportional to rank^-exponent, in constant memory.
 *
 * @see Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete
 *   distributions", 1996
 */
function zipfSampler(count: number, exponent: number, random: () => number): () => number {
  const density = (x: number) => x ** -exponent;
  const integral = (x: number) => (x ** (1 - exponent) - 1) / (1 - exponent);
  const inverse = (y: number) => (1 + y * (1 - exponent)) ** (1 / (1 - exponent));
  const first = integral(1.5) - 1;
  const last = integral(count + 0.5);
  const squeeze = 2 - inverse(integral(2.5) - density(2));
  return () => {
    while (true) {
      const u = last + (random() + 0.5) / 2 ** 32 * (first - last);
      const x = inverse(u);
      const rank = Math.min(Math.max(Math.round(x), 1), count);
      if (rank - x <= squeeze || u >= integral(rank + 0.5) - density(rank)) return rank;
    }
  };
}

function gather(keys: FeatureIds, rows: Uint32Array): FeatureIds {
  const pairs = new Uint32Array(keys.buffer, keys.byteOffset, 2 * keys.length);
  const out = new Uint32Array(2 * rows.length);
  for (let index = 0; index < rows.length; index++) {
    out[2 * index] = pairs[2 * rows[index]];
    out[2 * index + 1] = pairs[2 * rows[index] + 1];
  }
  return new BigUint64Array(out.buffer);
}

function withoutDuplicates(draws: FeatureIds, batch: number, kernel: BatchKernel): DistinctBatches {
  const ids = new BigUint64Array(draws.length);
  const lengths = new Uint32Array(Math.floor(draws.length / batch));
  let end = 0;
  for (let index = 0; index < lengths.length; index++) {
    const { uniqueIds } = kernel.unique(draws.subarray(index * batch, (index + 1) * batch), 1);
    ids.set(uniqueIds, end);
    lengths[index] = uniqueIds.length;
    end += uniqueIds.length;
  }
  return { ids: ids.slice(0, end), lengths };
}
