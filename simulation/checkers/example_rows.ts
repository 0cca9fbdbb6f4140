/**
 * Reads rows out of chunks of the example log.
 */
import type { ExampleChunk } from "../../records/example_chunk.ts";

/** The ids of each row of a chunk, all its lists together. */
export function idsOfRows({ rows, ids, listOffsets }: ExampleChunk): BigUint64Array[] {
  if (rows === 0) return [];
  const offsets = wordsOf(listOffsets);
  const lists = (offsets.length - 1) / rows;
  const all = new BigUint64Array(ids.slice().buffer);
  return Array.from(
    { length: rows },
    (_, row) => all.subarray(offsets[row * lists], offsets[(row + 1) * lists]),
  );
}

/** The square of a label beyond this exceeds the greatest float32. */
const LABEL_MAX = 1e19;

/** For each row of a chunk, whether it has a label that no model can learn. */
export function refusableRows({ rows, labels }: ExampleChunk): boolean[] {
  const values = new Float32Array(labels.slice().buffer);
  const tasks = values.length / rows;
  return Array.from(
    { length: rows },
    (_, row) =>
      values.subarray(row * tasks, (row + 1) * tasks).some((label) => Math.abs(label) > LABEL_MAX),
  );
}

/**
 * A digest of each row: its lists, dense values, labels, sample rate and served prediction, bit by
 * bit.
 */
export function digestsOfRows(chunk: ExampleChunk): number[] {
  const { rows } = chunk;
  if (rows === 0) return [];
  const offsets = wordsOf(chunk.listOffsets);
  const lists = (offsets.length - 1) / rows;
  const ids = wordsOf(chunk.ids);
  const columns = [chunk.dense, chunk.labels, chunk.logSampleRate, chunk.servedPredictions].map(
    wordsOf,
  );
  return Array.from({ length: rows }, (_, row) => {
    let digest = 0;
    const from = offsets[row * lists];
    for (let list = row * lists; list < (row + 1) * lists; list++) {
      digest = mixed(digest, offsets[list + 1] - from);
    }
    for (let word = 2 * from; word < 2 * offsets[(row + 1) * lists]; word++) {
      digest = mixed(digest, ids[word]);
    }
    for (const column of columns) {
      const width = column.length / rows;
      for (let i = row * width; i < (row + 1) * width; i++) digest = mixed(digest, column[i]);
    }
    return digest;
  });
}

/** A digest of the ids of each row, all its lists together. */
export function idDigestsOfRows({ rows, ids, listOffsets }: ExampleChunk): number[] {
  if (rows === 0) return [];
  const offsets = wordsOf(listOffsets);
  const lists = (offsets.length - 1) / rows;
  const words = wordsOf(ids);
  return Array.from(
    { length: rows },
    (_, row) => digestOfIds(words, offsets[row * lists], offsets[(row + 1) * lists]),
  );
}

/**
 * A digest of ids.
 *
 * @param words Each id as two words, the lower one first.
 * @param from Index of the first id; `to` is the index behind the last one.
 */
export function digestOfIds(words: Uint32Array, from: number, to: number): number {
  let digest = to - from;
  for (let word = 2 * from; word < 2 * to; word++) digest = mixed(digest, words[word]);
  return digest;
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

/** Keeps 53 bits. */
function mixed(digest: number, word: number): number {
  const low = Math.imul((digest | 0) ^ word, 0x9e3779b1) >>> 0;
  const high = Math.imul(Math.floor(digest / 2 ** 32) ^ (word >>> 7), 0x85ebca6b) & 0x1fffff;
  return (high ^ (low >>> 11)) * 2 ** 32 + low;
}

/** A row of a chunk, by its index. */
export interface ChunkRow {
  readonly chunk: ExampleChunk;
  readonly index: number;
}

/** The first difference of a row from the one that is wanted, in words; undefined = none. */
export function rowDifference(found: ChunkRow, wanted: ChunkRow): string | undefined {
  const [is, must] = [found, wanted].map(partsOfRow);
  for (const [name, value] of must) {
    const other = is.get(name);
    if (other !== value) return `has ${name} ${other ?? "none"}; by the log it is ${value}`;
  }
  const more = [...is.keys()].find((name) => !must.has(name));
  return more && `has ${more} ${is.get(more)}, which it has not by the log`;
}

/** The lists and numbers of a row as text, by name. */
function partsOfRow({ chunk, index }: ChunkRow): ReadonlyMap<string, string> {
  const { rows } = chunk;
  const parts = new Map<string, string>();
  const offsets = wordsOf(chunk.listOffsets);
  const lists = (offsets.length - 1) / rows;
  const ids = new BigUint64Array(chunk.ids.slice().buffer);
  for (let list = 0; list < lists; list++) {
    const [from, to] = [offsets[index * lists + list], offsets[index * lists + list + 1]];
    const texts = Array.from(ids.subarray(from, to), (id) => id.toString(16));
    parts.set(`list ${list}`, `[${texts.join(" ")}]`);
  }
  const columns = {
    "dense value": chunk.dense,
    "label": chunk.labels,
    "ln(sample rate)": chunk.logSampleRate,
    "served prediction": chunk.servedPredictions,
  };
  for (const [name, bytes] of Object.entries(columns)) {
    const values = new Float32Array(bytes.slice().buffer);
    const width = values.length / rows;
    for (let i = 0; i < width; i++) {
      parts.set(width === 1 ? name : `${name} ${i}`, textOf(values[index * width + i]));
    }
  }
  return parts;
}

/** A float as text; -0 differs from 0. */
function textOf(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
