/**
 * Makes the impressions of rankings, and appends them to the event log, which makes their items
 * known to the other gateways.
 */
import {
  type EventLog,
  isOfServer,
  LateAppendError,
  SealedPartitionError,
} from "../../mesh/ports/event_log.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Counter, Telemetry } from "../../mesh/ports/telemetry.ts";
import {
  LOGGED_LATE_ITEM,
  type RankingRecord,
  type SharedRankings,
  UNLOGGED_ITEM,
} from "../../mesh/ports/shared_rankings.ts";
import { isSampled, type TraceContext } from "../../mesh/ports/tracing.ts";
import {
  encodeEvent,
  encodeInPool,
  type ImpressionRecord,
  type MovedItem,
} from "../../records/event_record.ts";
import { appendToRanking } from "../../records/ranking_partition.ts";
import { BufferPool } from "../../structures/buffer_pool.ts";
import {
  type ImpressionRowsOptions,
  ImpressionRowsWriter,
  type ServedRanking,
} from "../../records/impression_rows_writer.ts";

/** A ranking with the features and predictions of the rows that are shown. */
export interface Impression extends ServedRanking {
  readonly rankingId: string;
  readonly user: string;
  readonly atMs: number;
  /** See `ImpressionRecord.logSampleRate`. */
  readonly logSampleRate?: number;
  /** See `ImpressionRecord.awaitsShown`. */
  readonly awaitsShown?: boolean | undefined;
  /** See `ImpressionRecord.newItems`. */
  readonly newItems?: readonly MovedItem[];
  readonly trace?: TraceContext | undefined;
}

export interface ImpressionsParts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly eventLog: EventLog;
  /** Makes rankings known to the other gateways; absent where there are none. */
  readonly sharedRankings?: SharedRankings;
}

/** Records whose memory is kept for later ones: as many as are written at a time. */
const SPARE_RECORDS = 16;

export class Impressions {
  readonly #clock: Clock;
  readonly #eventLog: EventLog;
  readonly #sharedRankings: SharedRankings | undefined;
  readonly #rows: ImpressionRowsWriter;
  readonly #unlogged: Counter;
  /** Memory of records that the log has. */
  readonly #buffers = new BufferPool(SPARE_RECORDS);

  constructor(
    { clock, telemetry, eventLog, sharedRankings }: ImpressionsParts,
    options: ImpressionRowsOptions,
  ) {
    this.#clock = clock;
    this.#eventLog = eventLog;
    this.#sharedRankings = sharedRankings;
    this.#rows = new ImpressionRowsWriter(options);
    this.#unlogged = telemetry.counter("cairn_ranker_unlogged_total", {
      help: "Rankings that are not learned from, because the event log's server was away or full.",
    });
  }

  /** The bytes of an impression's record. */
  encode(impression: Impression): Uint8Array {
    return encodeEvent(this.#recordOf(impression));
  }

  /** The record of an impression, valid until the next call. */
  #recordOf(
    { rankingId, user, atMs, logSampleRate, awaitsShown, newItems, trace, ...served }: Impression,
  ): ImpressionRecord {
    return {
      kind: "impression",
      rankingId,
      atMs,
      acceptedAtMs: this.#clock.nowMs(),
      user,
      shown: this.#rows.write(served),
      ...(logSampleRate !== undefined && { logSampleRate }),
      ...(awaitsShown === true && { awaitsShown }),
      ...(newItems !== undefined && newItems.length > 0 && { newItems }),
      ...(isSampled(trace) && { trace }),
    };
  }

  /**
   * Resolves when the log has the impression, and the other gateways know its items; or when the
   * log's server is away, slow or full: then false, and the ranking is not learned from, unless the
   * log takes it later. The other gateways then know it as far as {@link SharedRankings.remember}
   * promises that.
   *
   * The append need not be durable: the impression lies before its actions in the same partition,
   * so that an action that was accepted as durable makes its impression durable too.
   */
  async log(impression: Impression): Promise<boolean> {
    const { rankingId } = impression;
    const bytes = encodeInPool(this.#recordOf(impression), this.#buffers);
    const items = this.#sharedRankings === undefined ? [] : itemsOf(impression);
    const ranking = { rankingId, items, bytes };
    try {
      await this.#append(ranking);
      this.#buffers.give(bytes);
      return true;
    } catch (error) {
      if (!isOfServer(error)) throw error;
      // Not waited for: the store is away too, and an answer without it is right.
      const remember = (mark: string) =>
        void this.#sharedRankings?.remember(rankingId, [...items, { id: mark }]);
      remember(UNLOGGED_ITEM);
      if (error instanceof LateAppendError) {
        this.#late(error, ranking)
          .then(() => remember(LOGGED_LATE_ITEM), () => this.#unlogged.add(1));
      } else this.#unlogged.add(1);
      return false;
    }
  }

  #append(ranking: RankingRecord): Promise<number> {
    const [log, others] = [this.#eventLog, this.#sharedRankings];
    return appendToRanking(
      log,
      ranking.rankingId,
      (partition) =>
        others?.append(partition, ranking) ?? log.append(partition, [ranking.bytes], "written"),
    );
  }

  /** The outcome of an append that took long, also where its partition was sealed meanwhile. */
  async #late({ outcome }: LateAppendError, ranking: RankingRecord): Promise<void> {
    try {
      await outcome;
    } catch (error) {
      if (!(error instanceof SealedPartitionError)) throw error;
      await this.#append(ranking).catch((again) => {
        if (!(again instanceof LateAppendError)) throw again;
        return this.#late(again, ranking);
      });
    }
  }
}

/** The items that a ranking shows. */
function itemsOf({ candidates, rows }: ServedRanking): { readonly id: string }[] {
  return Array.from(rows, (row) => candidates[row]);
}
