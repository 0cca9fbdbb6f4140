/**
 * Finds rankings in the event log, newest first: what a user got, and what happened then. The log
 * keeps the newest rankings, each at least until its examples are in the example log.
 */
import { presentPartition } from "../../records/ranking_partition.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import {
  type ActionRecord,
  decodeEvent,
  type EventRecord,
  type ImpressionRecord,
  type ShownRecord,
} from "../../records/event_record.ts";

/** Records of a partition that are read at a time; requests are answered between two blocks. */
const BLOCK_RECORDS = 64;
/** Records of a partition that are searched; the search ends there. */
const RECORDS_MAX = 100_000;
/** The search ends after this time, ms. */
const SEARCH_MS_MAX = 2_000;

/** A report or an action on a ranking. */
export interface LoggedFollower {
  readonly offset: number;
  readonly record: ShownRecord | ActionRecord;
}

/** A ranking as the log has it, with the reports and actions on it. */
export interface LoggedRanking {
  readonly partition: number;
  readonly offset: number;
  readonly impression: ImpressionRecord;
  /** Oldest first. */
  readonly followers: readonly LoggedFollower[];
}

export interface FoundRankings {
  /** Newest first. */
  readonly rankings: readonly LoggedRanking[];
  readonly recordsRead: number;
  /** Whether the search ended before the beginning of the log. */
  readonly isPartial: boolean;
}

export class LogSearch {
  readonly #log: EventLog;
  readonly #clock: Clock;

  constructor(log: EventLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** The newest rankings of a user. */
  async ofUser(user: string, rankingsMax: number): Promise<FoundRankings> {
    const partitions = Array.from({ length: this.#log.partitions }, (_, i) => i);
    return await this.#search(partitions, rankingsMax, (record) => record.user === user);
  }

  /** The ranking of this id, if the log has it. */
  async ofId(rankingId: string): Promise<FoundRankings> {
    const { firstPartition } = this.#log;
    // A ranking from before a change of the partitions is in some sealed one.
    const sealed = Array.from({ length: firstPartition }, (_, i) => i);
    const partitions = [presentPartition(rankingId, this.#log), ...sealed];
    return await this.#search(partitions, 1, (record) => record.rankingId === rankingId);
  }

  async #search(
    partitions: readonly number[],
    rankingsMax: number,
    matches: (record: ImpressionRecord) => boolean,
  ): Promise<FoundRankings> {
    const untilMs = this.#clock.monotonicMs() + SEARCH_MS_MAX;
    const found = await Promise.all(
      partitions.map((partition) => this.#searchOne(partition, rankingsMax, matches, untilMs)),
    );
    return {
      rankings: found.flatMap(({ rankings }) => rankings)
        .sort((a, b) => b.impression.acceptedAtMs - a.impression.acceptedAtMs)
        .slice(0, rankingsMax),
      recordsRead: found.reduce((sum, { recordsRead }) => sum + recordsRead, 0),
      isPartial: found.some(({ isPartial }) => isPartial),
    };
  }

  /** Reads one partition from its end to its beginning. */
  async #searchOne(
    partition: number,
    rankingsMax: number,
    matches: (record: ImpressionRecord) => boolean,
    untilMs: number,
  ): Promise<FoundRankings> {
    const followers = new Map<string, LoggedFollower[]>();
    const rankings: LoggedRanking[] = [];
    /** Users whose older rankings are erased. */
    const erased = new Set<string>();
    let recordsRead = 0;
    let end = await this.#log.endOffset(partition);
    while (end > 0 && rankings.length < rankingsMax) {
      if (recordsRead >= RECORDS_MAX || this.#clock.monotonicMs() > untilMs) {
        return { rankings, recordsRead, isPartial: true };
      }
      const from = Math.max(0, end - BLOCK_RECORDS);
      const records = await this.#log.read(partition, from, end - from);
      // Below the oldest record that is left, a read begins there.
      const block = records.filter(({ offset }) => offset < end);
      if (block.length === 0) break;
      recordsRead += block.length;
      for (const { offset, bytes } of block.toReversed()) {
        const record = decoded(bytes);
        if (record?.kind === "action" || record?.kind === "shown") {
          const list = followers.get(record.rankingId) ?? [];
          list.unshift({ offset, record });
          followers.set(record.rankingId, list);
        } else if (record?.kind === "forget") erased.add(record.user);
        else if (record?.kind === "impression" && !erased.has(record.user) && matches(record)) {
          const own = followers.get(record.rankingId) ?? [];
          rankings.push({ partition, offset, impression: record, followers: own });
        }
      }
      if (block[0].offset > from) break;
      end = from;
    }
    return { rankings: rankings.slice(0, rankingsMax), recordsRead, isPartial: false };
  }
}

/** Undefined for a record of another version. */
function decoded(bytes: Uint8Array): EventRecord | undefined {
  try {
    return decodeEvent(bytes);
  } catch {
    return undefined;
  }
}
