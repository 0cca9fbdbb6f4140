/**
 * The state of the parts of the mesh, as rows of the console's tables.
 */
import type { MetricInterval } from "./metric_reading.ts";

export interface ShardSeen {
  readonly shard: string;
  readonly rows: number;
  readonly rowsServed: number;
  readonly bytes: number;
  /** Share of the index's cells in use. */
  readonly load: number;
  /** Rows that changed and are not yet carried to serving. */
  readonly waiting: number;
}

export interface ActorSeen {
  readonly actor: string;
  readonly messagesWaiting: number;
  readonly messagesPerSecond: number;
  /** Since the process began. */
  readonly restarts: number;
  /** Messages lost and asks that expired or were refused, since the process began. */
  readonly failures: number;
}

export interface PartsSeen {
  readonly shards: readonly ShardSeen[];
  readonly actors: readonly ActorSeen[];
}

/** The parts at the end of the interval; rates are over the interval. */
export function partsSeen(interval: MetricInterval): PartsSeen {
  const { now } = interval;
  const served = now.by("shard", "cairn_replica_rows");
  const bytes = now.by("shard", "cairn_shard_bytes");
  const load = now.by("shard", "cairn_shard_load");
  const touched = now.by("shard", "cairn_shard_touched");
  const handled = interval.rates("actor", "cairn_actor_messages_handled_total");
  const restarts = now.by("actor", "cairn_actor_restarts_total");
  const failures = ["messages_dropped", "asks_rejected", "asks_expired"]
    .map((name) => now.by("actor", `cairn_actor_${name}_total`));
  return {
    shards: [...now.by("shard", "cairn_shard_rows")].map(([shard, rows]) => ({
      shard,
      rows,
      rowsServed: served.get(shard) ?? 0,
      bytes: bytes.get(shard) ?? 0,
      load: load.get(shard) ?? 0,
      waiting: touched.get(shard) ?? 0,
    })),
    actors: [...now.by("actor", "cairn_actor_messages_waiting")].map(([actor, waiting]) => ({
      actor,
      messagesWaiting: waiting,
      messagesPerSecond: handled.get(actor) ?? 0,
      restarts: restarts.get(actor) ?? 0,
      failures: failures.reduce((sum, counts) => sum + (counts.get(actor) ?? 0), 0),
    })),
  };
}
