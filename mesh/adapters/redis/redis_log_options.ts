/**
 * The options with which a log in Redis is opened, and the error where its partitions are others.
 */
import type { LogExtent } from "../../ports/event_log.ts";
import type { RedisServer } from "./redis_server.ts";

/** Options of `RedisEventLog.open`. */
export interface RedisEventLogOptions {
  readonly server: RedisServer;
  /** For example `events`. */
  readonly name: string;
  /** Partitions of a log that is not there yet. */
  readonly partitions: number;
  /**
   * Whether a log that is there keeps its own number of partitions, which a mesh changes. Default:
   * another number than `partitions` is refused.
   */
  readonly keepsPartitions?: boolean;
  /** Bytes of records before appends fail. */
  readonly bytesMax: number;
  /** A fresh uuid of this process: the name under which its appends are numbered. */
  readonly writer: string;
  /** Time within which a failed command is made again, ms; default in log_budgets.ts. */
  readonly budgetMs?: number;
  /** Time for which ids of `appendOnce` are retained, ms; default in log_budgets.ts. */
  readonly idsRetainedMs?: number;
  /** Longest wait of an append that need not be durable, ms; default in log_budgets.ts. */
  readonly writtenBudgetMs?: number;
  /** Time without a connection until appends are refused at once, ms; default in log_budgets.ts. */
  readonly awayAfterMs?: number;
  /** Age at which `written` records are made sure of, ms; default in log_budgets.ts. */
  readonly unconfirmedMsMax?: number;
  /** Time until listeners are told of `written` records, ms; default in log_budgets.ts. */
  readonly lazyMs?: number;
  /**
   * The partition, among those that take records, to which a `written` record of a sealed one
   * belongs; undefined = it counts in its own alone. Where a failover has lost it, it is appended
   * there. Absent: such a loss stops the log.
   */
  readonly partitionOf?: (record: Uint8Array, extent: LogExtent) => number | undefined;
}

/** The log has another number of partitions, and its opener cannot take that number. */
export class LogPartitionsError extends Error {
  override readonly name = "LogPartitionsError";
  /** @param isSealed Whether a mesh has changed their number, and sealed the first ones. */
  constructor(
    readonly log: string,
    readonly found: number,
    readonly asked: number,
    readonly isSealed: boolean,
  ) {
    super(
      `${log} has ${found} partitions, not ${asked}; open it with ${found}, or give the mesh another name.`,
    );
  }
}
