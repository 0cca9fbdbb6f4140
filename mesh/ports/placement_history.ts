/**
 * The past of a shard, a joiner or a trainer, as the coordination store remembers it for operators:
 * nothing is decided from it.
 */

/** The newest change of an owner, whether it has ended or not. */
export interface LastMove {
  /** When it was begun, on the store's clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** The host before; absent where there was none. */
  readonly from?: string;
  readonly to: string;
  /** Why it was begun. */
  readonly reason: string;
  readonly outcome: "underway" | "done" | "aborted";
  /** When the store was told that the owner is frozen, ms since the Unix epoch; live moves only. */
  readonly frozenAtMs?: number;
  /** When it ended, ms since the Unix epoch; absent while it is under way. */
  readonly endedMs?: number;
  /** Why it was aborted. */
  readonly why?: string;
}

/** The past of one part. */
export interface PlacementHistory {
  /** When the present owner got it, on the store's clock, ms since the Unix epoch. */
  readonly sinceMs?: number;
  readonly last?: LastMove;
}
