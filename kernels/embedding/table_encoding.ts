/** A table's options as the words that the kernel reads; the decoder is the crate's `policy.rs`. */
import { encodeInitializer, encodeOptimizer } from "./optimizer_codes.ts";
import type { AdmissionOptions, SliceOptions, SlotOptions, TableOptions } from "./options.ts";

const AT_LIMIT_CODES: Readonly<Record<TableOptions["atLimit"], number>> = {
  reject: 0,
  evictLeastRecentlyUsed: 1,
  evictLeastFrequentlyUsed: 2,
};

/** "Never" among expiries, seconds. */
const NEVER_SECONDS = 0xffff_ffff;

/** The admission counter may take about this share of the table's memory; the kernel says what it takes, 5.4 bytes an id. */
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
    options.slot,
    ...admission(options.admission),
    Math.min(Math.ceil(options.expirySeconds ?? NEVER_SECONDS), NEVER_SECONDS),
    ...slices.flatMap((slice) => rule({ ...slice, ...options.slices?.[slice.name] })),
  ];
}

/** Bounds the ids that the admission counter remembers, from the memory the table may use. */
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
