/** Weights in the number format of serving, in which deltas and fills carry them to replicas. */
import type { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";

/** fp32 is exact; fp16 takes 2 bytes a weight; int8 takes 1 and a scale of 4 bytes a row. */
export type Precision = "fp32" | "fp16" | "int8";

/**
 * Weights of n rows; the kind of array tells the precision. fp32: `Float32Array`, shape `[n,
 * width]`. fp16: `Uint16Array` of halves, shape `[n, width]`. int8: `Uint8Array`, shape `[n, 4 +
 * width]`, the scale of a row as a float32 before its weights.
 */
export type ServedWeights =
  | Float32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** The codes of the kernel. */
export const precisionCodes: Readonly<Record<Precision, number>> = { fp32: 0, fp16: 1, int8: 2 };

export function precisionOf(weights: ServedWeights | Float32Array): Precision {
  if (weights instanceof Float32Array) return "fp32";
  return weights instanceof Uint16Array ? "fp16" : "int8";
}

/** Elements of the array for `rows` rows. */
export function servedLength(precision: Precision, rows: number, width: number): number {
  return rows * (precision === "int8" ? 4 + width : width);
}

/** Rows of a delta or page that the kernel has just written, packed. */
export interface PackedRows {
  readonly rows: ServedWeights;
  /** CRC-32C over ids, rows and removed ids as little-endian bytes. */
  readonly checksum: number;
}

/**
 * Packs the rows in the buffers of a training table.
 *
 * @param rows Number of ids and rows.
 * @param removed Number of removed ids.
 */
export function packRows(
  memory: KernelMemory,
  rows: number,
  removed: number,
  precision: "fp16" | "int8",
): PackedRows {
  const code = precisionCodes[precision];
  const rowBytes = requireAccepted(
    `pack ${rows} rows to ${precision}`,
    memory.kernel.table_pack_rows(rows, removed, code),
  );
  const [checksum] = memory.words(1);
  const bytes = memory.bytes(rows * rowBytes).slice();
  return { rows: precision === "fp16" ? new Uint16Array(bytes.buffer) : bytes, checksum };
}
