/**
 * The columns of an example chunk: whether a model has them, and the batch of all its rows.
 */
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { ExampleChunk } from "../../records/example_chunk.ts";
import type { ExampleBatch, Progress } from "./example_batch.ts";

/**
 * Whether a chunk, read at `offset`, has these columns. A chunk of another schema has others; one
 * without rows has none, and belongs to every schema.
 *
 * @throws {RangeError} When it is damaged: the lengths of its columns fit no numbers of slots,
 * dense values and tasks.
 */
export function hasColumns(
  chunk: ExampleChunk,
  { slots, denseWidth, tasks, schemaFingerprint }: ExampleColumns,
  offset: number,
): boolean {
  const { rows } = chunk;
  const expected: readonly [string, number, number][] = [
    ["listOffsets", chunk.listOffsets.byteLength, (rows * slots + 1) * 4],
    ["dense", chunk.dense.byteLength, rows * denseWidth * 4],
    ["labels", chunk.labels.byteLength, rows * tasks * 4],
    ["logSampleRate", chunk.logSampleRate.byteLength, rows * 4],
    ["servedPredictions", chunk.servedPredictions.byteLength, rows * 4],
    ["rankings", chunk.rankings?.byteLength ?? rows * 4, rows * 4],
  ];
  const misfit = expected.find(([, bytes, wanted]) => bytes !== wanted);
  if (isWholeInSomeShape(chunk)) {
    const isOfSchema = rows === 0 || chunk.schemaFingerprint === schemaFingerprint;
    return misfit === undefined && isOfSchema;
  }
  if (misfit === undefined) {
    throw new RangeError(
      `Cannot train on the example chunk at offset ${offset}: its lists do not end at its last ` +
        `id (${chunk.ids.byteLength} bytes of ids); the record is damaged.`,
    );
  }
  const [name, bytes, wanted] = misfit;
  throw new RangeError(
    `Cannot train on the example chunk at offset ${offset}: ${name} has ${bytes} bytes and ` +
      `${rows} rows of ${slots} slots, ${denseWidth} dense values and ${tasks} tasks need ` +
      `${wanted}; the record is damaged.`,
  );
}

/** Whether the columns have matching lengths for some numbers of slots, dense values and tasks. */
function isWholeInSomeShape(chunk: ExampleChunk): boolean {
  const { rows, ids, listOffsets, dense, labels, logSampleRate, servedPredictions, rankings } =
    chunk;
  if (rankings !== undefined && rankings.byteLength !== rows * 4) return false;
  if (listOffsets.byteLength < 4 || listOffsets.byteLength % 4 !== 0) return false;
  const perRow = [listOffsets.byteLength - 4, dense.byteLength, labels.byteLength];
  if (perRow.some((bytes) => rows === 0 ? bytes !== 0 : bytes % (rows * 4) !== 0)) return false;
  if (logSampleRate.byteLength !== rows * 4 || servedPredictions.byteLength !== rows * 4) {
    return false;
  }
  const ends = new DataView(listOffsets.buffer, listOffsets.byteOffset);
  return ids.byteLength === ends.getUint32(listOffsets.byteLength - 4, true) * 8;
}

/** All rows of a chunk. Its columns are copied, since they may be unaligned. */
export function batchOf(
  chunk: ExampleChunk,
  before: Progress,
  after: Progress,
): Omit<ExampleBatch, "partition" | "endsFlight"> {
  const buffer = (bytes: Uint8Array) => bytes.slice().buffer as ArrayBuffer;
  return {
    features: {
      rows: chunk.rows,
      ids: new BigUint64Array(buffer(chunk.ids)),
      listOffsets: new Uint32Array(buffer(chunk.listOffsets)),
      dense: new Float32Array(buffer(chunk.dense)),
    },
    labels: new Float32Array(buffer(chunk.labels)),
    logSampleRate: new Float32Array(buffer(chunk.logSampleRate)),
    servedPredictions: new Float32Array(buffer(chunk.servedPredictions)),
    ...(chunk.rankings && { rankings: new Uint32Array(buffer(chunk.rankings)) }),
    sequence: chunk.firstRow + chunk.rows,
    atMs: chunk.atMs,
    before,
    after,
    passed: new Map(),
    traces: chunk.traces,
  };
}
