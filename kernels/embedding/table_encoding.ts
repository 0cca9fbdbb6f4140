/** A table's options encoded as words; the decoder is the crate's `policy.rs`. */
import { encodeInitializer, encodeOptimizer } from "./optimizer_codes.ts";
import type { AdmissionOptions, SliceOptions, SlotOptions, TableOptions } from "./options.ts";

const AT_LIMIT_CODES: Readonly<Record<TableOptions["atLimit"], number>> = {
  reject: 0,
  evictLeastRecentlyUsed: 1,
  evictLeastFrequentlyUsed: 2,
};

/** The expiry that means never, seconds. */
const NEVER_SECONDS = 0xffff_ffff;

/** Share of the table's memory for the admission counter, and bytes an id (5.4 in the kernel). */
const COUNTER_SHARE = 0.05;
const COUNTER_BYTES = 6;
const COUNTER_IDS_MAX = 1 << 24;

function rule({ initializer, optimizer }: Pick<SliceOptions, "initializer" | "optimizer">) {
  return [...encodeInitializer(initializer), ...encodeOptimizer(optimizer)];
}

function admission(options: AdmissionOptions): readonly [kind: number, value: number] {
  return options.kind === "threshold" ? [0, options.threshold] : [1, options.probability];
}

function slot(options: SlotOptions, slices: readonly SliceOptions[]): number[] {
  return [
    options.number,
    ...admission(options.admission),
    Math.min(Math.ceil(options.expirySeconds ?? NEVER_SECONDS), NEVER_SECONDS),
    ...slices.flatMap((slice) => rule({ ...slice, ...options.slices?.[slice.name] })),
  ];
}

/** Number of ids that the admission counter remembers, from the memory limit of the table. */
export function admissionIdsMax(bytesMax: number): number {
  const ids = Math.floor((bytesMax * COUNTER_SHARE) / COUNTER_BYTES);
  return Math.max(64, Math.min(ids, COUNTER_IDS_MAX));
}

export function encodeTableOptions(options: TableOptions): Float64Array<ArrayBuffer> {
  return Float64Array.from([
    options.bytesMax,
    AT_LIMIT_CODES[options.atLimit],
    options.seed,
    admissionIdsMax(options.bytesMax),
    options.slices.length,
    ...options.slices.flatMap((slice) => [slice.dim, ...rule(slice)]),
    options.slots.length,
    ...options.slots.flatMap((each) => slot(each, options.slices)),
  ]);
}
