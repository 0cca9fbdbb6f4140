/**
 * How far the readers of a log are behind its end, as a metric. It is worked out when the metrics
 * are read, from what the process knows, so that reading a record costs no metric.
 */
import type { EventLog } from "../ports/event_log.ts";
import type { ActorContext, Message } from "./actor.ts";

/** A position in a partition: all records before the offset are read. */
export interface ReadPosition {
  readonly partition: number;
  readonly offset: number;
}

/** A log with the name that its metrics have. */
export interface ReadLog {
  readonly name: "events" | "examples";
  readonly log: Pick<EventLog, "knownEnd">;
}

/** The records of its partitions that an actor has not read. */
export interface UnreadRecords {
  /** Their number now; undefined while the log's server is away. */
  count(): number | undefined;
  /** Ends the metric. */
  end(): void;
}

/**
 * Shows how many records of its partitions an actor has not read. There is no value while the log's
 * server is away.
 *
 * @param positions Where it is in each of the partitions, to which it listens.
 */
export function showUnread<M extends Message>(
  context: Pick<ActorContext<M>, "telemetry" | "self">,
  { name, log }: ReadLog,
  positions: () => readonly ReadPosition[],
): UnreadRecords {
  const unread = context.telemetry.gauge("cairn_log_records_unread", {
    help: "Records (of the example log: chunks) of its partitions that a reader has not read.",
    labelNames: ["log", "actor"],
  });
  const count = () => unreadRecords(log, positions());
  return { count, end: unread.watch(count, { log: name, actor: context.self.address }) };
}

/** Undefined where the end of a partition is unknown. */
function unreadRecords(
  log: Pick<EventLog, "knownEnd">,
  positions: readonly ReadPosition[],
): number | undefined {
  let sum = 0;
  for (const { partition, offset } of positions) {
    const end = log.knownEnd(partition);
    if (end === undefined) return undefined;
    sum += Math.max(0, end - offset); // the reader may be ahead of what was told
  }
  return sum;
}
