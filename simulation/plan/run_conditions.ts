/**
 * The conditions of a run that its seed draws, as the world and its processes take them.
 */
import type { HostClocks } from "./host_clocks.ts";

export interface RunConditions {
  readonly seed: number;
  /** Mean latency of a batch of messages between two threads, ms. */
  readonly linkMs: number;
  /** Mean latency of a sync, ms. */
  readonly syncMs: number;
  /** Messages that a thread handles before its event loop has a turn. */
  readonly turnMessagesMax: number;
  /**
   * Changes of the actors' priorities in each period of their turns; undefined: first come, first
   * served.
   */
  readonly priorityChanges?: number;
  /** Asks that may wait at a shard of each priority; undefined: as in production. */
  readonly shardMailboxMax?: number;
  /** Time for which Redis retains the ids of events, ms; undefined: as in production. */
  readonly idsRetainedMs?: number;
  /** Wall clocks of a mesh's hosts; undefined: all have the true time. */
  readonly clocks?: HostClocks;
}
