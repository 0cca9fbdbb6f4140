/**
 * Appends that wait to be written or to be durable.
 */
import type { AppendUntil } from "../../ports/event_log.ts";
import { blockBytes } from "./segment_block.ts";

export interface PendingAppend {
  readonly records: readonly Uint8Array[];
  readonly firstOffset: number;
  readonly until: AppendUntil;
  readonly resolve: (firstOffset: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Bytes from which on no further append of a turn is added to a block. An append is never split.
 */
const BLOCK_BYTES_MAX = 8 * 1024 * 1024;

/** The appends from number `from` on that share a block: at least one. */
export function blockOf(
  appends: readonly PendingAppend[],
  from: number,
): readonly PendingAppend[] {
  let to = from;
  let bytes = 0;
  do {
    bytes += blockBytes(appends[to++].records);
  } while (to < appends.length && bytes + blockBytes(appends[to].records) <= BLOCK_BYTES_MAX);
  return appends.slice(from, to);
}

export function rejectAll(appends: readonly PendingAppend[], error: Error): void {
  for (const append of appends) append.reject(error);
}
