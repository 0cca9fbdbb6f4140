/**
 * The shards that a host has in memory, and its steps towards its duties, as {@link PlacedShards}
 * notes them.
 */
import type { HostRun } from "../mesh/ports/coordination.ts";
import type { HostDuty } from "../mesh/placement/host_duties.ts";

/** A copy of a shard whose owner is another host. */
export interface Copy {
  readonly epoch: number;
  verifiedAtMs: number | undefined;
}

/** A step under way. */
export interface Step {
  readonly duty: HostDuty | undefined;
  readonly task: Promise<void>;
  /** A look has found another duty meanwhile. */
  isOutdated: boolean;
}

/** The rows of a shard that this host owns, or has owned. */
export interface Rows {
  readonly epoch: number;
  readonly sharding: number;
  givesTo: HostRun | undefined;
  /** When it was frozen for a copy, on the host's monotonic clock, ms; undefined = it is not. */
  frozenSinceMs: number | undefined;
  /** Whether the shard is asked to tell of its freeze. */
  awaitsFreeze: boolean;
  /** The copy that it gave at the last look, although the store knew of no move. */
  unaskedCopy: string | undefined;
}
