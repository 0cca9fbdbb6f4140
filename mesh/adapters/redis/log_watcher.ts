/**
 * Reads the new records of a log as they are appended, by one blocking read over all partitions
 * that have listeners, on a connection of its own. The records wait in the tail of their partition
 * for the readers that follow it; the listeners are told that they are there.
 *
 * A read after each append would cost its process and the server a turn for each ranking. So there
 * are pauses of {@link PACE_MS} between reads, and records that were appended as `written`, such as
 * rankings, are read {@link WatcherParts.lazyMs} after the first of them (`logBudgets.soonMs` where
 * a listener asks for that), or with the next urgent append: a durable append adds an entry to a
 * stream on which the read waits meanwhile. The wait and the read behind it leave together, so that
 * this process takes one turn for both, and while each such read brings records, the next wait
 * begins at once.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Listeners } from "../../runtime/listeners.ts";
import type { ListenerHaste, LogRecord } from "../../ports/event_log.ts";
import { logBudgets } from "./log_budgets.ts";
import type { LogKeys } from "./log_keys.ts";
import { idBefore } from "./log_scripts.ts";
import { LogTail } from "./log_tail.ts";
import type { RedisConnection } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";
import { replicationIdOf } from "./server_runs.ts";
import { recordsOf, type StreamEntry } from "./stream_entries.ts";

/** The parts of a log that its watcher uses. */
export interface WatcherParts {
  readonly server: RedisServer;
  readonly keys: LogKeys;
  /** Time after which records that are not urgent are read, ms. */
  readonly lazyMs: number;
  /** The ends of these partitions. */
  endsOf(partitions: readonly number[]): Promise<number[]>;
}

interface WatchedPartition {
  readonly listeners: Listeners<[]>;
  readonly tail: LogTail;
  count: number;
  /** Listeners that are to be told soon. */
  soonCount: number;
  /** Records before this offset were told of; -1 before the first look. */
  toldTo: number;
  /** Whether its reader reads records before the tail, so that bringing others is of no use yet. */
  isBehind: boolean;
}

/** The reply of XREAD: the entries by the key of their stream. */
type StreamReply = readonly (readonly [key: Buffer, entries: readonly StreamEntry[]])[] | null;

/** Longest wait of one blocking read, ms. */
const BLOCK_MS = 5_000;
/** Least time between two reads, ms. */
const PACE_MS = 10;
/** Pause after a failure, ms. */
const RETRY_MS = 100;
/** Records of one partition that one read brings, and that wait for its readers. */
const RECORDS_MAX = 256;
/** Bytes of the records of one partition that wait for its readers. */
const TAIL_BYTES_MAX = 2 ** 20;
/** The first id of a stream. */
const FIRST_ID = "0-0";

export class LogWatcher {
  readonly #parts: WatcherParts;
  /** The partitions that have had listeners. */
  readonly #partitions = new Map<number, WatchedPartition>();
  readonly #connection: RedisConnection;
  /**
   * Whether the reads go on where they were; false after each new connection, and where the process
   * has entered another run of the server.
   */
  #isFollowing = false;
  /** The server's number of the connection, by which its wait is ended. */
  #clientId: number | undefined;
  /** The run of the server whose records the tails have. */
  #runId = "";
  /** Id of the newest urgent entry that was read. */
  #urgentId = FIRST_ID;
  /** Whether the last read left records, of which some may be urgent. */
  #leftSome = false;
  /** Whether records came during the last wait, so that the next one needs no record to begin. */
  #isSteady = false;
  /** Mean size of the records that were brought last, bytes. */
  #recordBytes = TAIL_BYTES_MAX / RECORDS_MAX;
  #isRunning = false;
  /** Whether the present wait lacks a partition that has listeners. */
  #isOutdated = false;
  #isClosed = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
    this.#connection = parts.server.waitingConnection();
    this.#connection.onReady(() => this.#isFollowing = false);
  }

  /** Adds a listener; returns a function that removes it. */
  add(partition: number, listener: () => void, haste?: ListenerHaste): () => void {
    const watched = this.#watchedOf(partition);
    const remove = watched.listeners.add(listener);
    const soon = Number(haste === "soon");
    watched.soonCount += soon;
    if (watched.count++ === 0) watched.toldTo = -1;
    if (!this.#isRunning) void this.#run();
    else if (watched.count === 1) void this.#interrupt();
    let isRemoved = false;
    return () => {
      if (isRemoved) return;
      isRemoved = true;
      remove();
      watched.count--;
      watched.soonCount -= soon;
    };
  }

  /**
   * Records for a reader that follows a partition, as they were read under this run of the server;
   * undefined where the reader has to read the stream.
   */
  read(
    partition: number,
    fromOffset: number,
    recordsMax: number,
    runId: string,
  ): LogRecord[] | undefined {
    const watched = this.#watchedOf(partition);
    if (watched.count === 0) return undefined;
    if (runId !== this.#runId) {
      this.#isFollowing = false;
      return undefined;
    }
    const records = watched.tail.read(fromOffset, recordsMax);
    watched.isBehind = records === undefined && fromOffset < watched.toldTo;
    return records;
  }

  /** Notes that a reader that follows a partition has read the stream up to this offset. */
  readTo(partition: number, endOffset: number): void {
    const watched = this.#watchedOf(partition);
    if (endOffset >= watched.toldTo) watched.isBehind = false;
  }

  /**
   * The end of a partition that has listeners, as they were told last; undefined while the reads do
   * not go on.
   */
  knownEnd(partition: number): number | undefined {
    const { count, toldTo } = this.#watchedOf(partition);
    const isFollowed = count > 0 && this.#isFollowing && this.#connection.isReady;
    return isFollowed && toldTo >= 0 ? toldTo : undefined;
  }

  /** Ends the wait; no listener is called any more. */
  close(): void {
    this.#isClosed = true;
    this.#connection.close();
    for (const { listeners, tail } of this.#partitions.values()) {
      listeners.clear();
      tail.clear();
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const connection = this.#connection;
    for (;;) {
      this.#isOutdated = false;
      const watched = [...this.#partitions.keys()].filter((p) => this.#watchedOf(p).count > 0);
      if (watched.length === 0 || this.#isClosed) break;
      try {
        await connection.connect();
        if (!this.#isFollowing) await this.#begin();
        const beganAtMs = performance.now();
        await this.#look(watched);
        await this.#follow(watched);
        const leftMs = beganAtMs + PACE_MS - performance.now();
        if (leftMs > 0 && !this.#isClosed) await pause(leftMs);
      } catch {
        if (!this.#isClosed) await pause(RETRY_MS);
      }
    }
    this.#isRunning = false;
  }

  /** Begins anew: records may have come, or be lost, since the reads before. */
  async #begin(): Promise<void> {
    await this.#connection.readReport();
    this.#isSteady = false;
    const { runs } = this.#parts.server;
    const { id } = await runs.current();
    if (this.#connection.replicationId !== replicationIdOf(id)) {
      runs.leave();
      throw new Error("the server was restarted meanwhile");
    }
    this.#runId = id;
    this.#urgentId = FIRST_ID;
    for (const partition of this.#partitions.values()) {
      partition.toldTo = -1;
      partition.tail.clear();
    }
    this.#isFollowing = true;
    this.#clientId = await this.#connection.send<number>(["CLIENT", "ID"]);
  }

  /** Goes on at the ends of partitions whose readers are not there yet. */
  async #look(watched: readonly number[]): Promise<void> {
    const asked = watched.filter((p) => {
      const { toldTo, isBehind } = this.#watchedOf(p);
      return toldTo < 0 || isBehind;
    });
    if (asked.length === 0) return;
    const ends = await this.#parts.endsOf(asked);
    asked.forEach((p, i) => {
      const partition = this.#watchedOf(p);
      const isNew = ends[i] > Math.max(0, partition.toldTo);
      partition.toldTo = Math.max(partition.toldTo, ends[i]);
      partition.tail.clear(); // it may lack the records before the end
      if (isNew) partition.listeners.tell();
    });
  }

  /** Waits for records, and for a while for further ones where none is urgent. */
  async #follow(watched: readonly number[]): Promise<void> {
    const [brought, further] = [new Set<number>(), new Set<number>()];
    const streams = watched.map((p) => [this.#parts.keys.streamOf(p), p] as const);
    let isLazy = this.#isSteady;
    if (!isLazy) {
      const leftSome = this.#leftSome;
      const isUrgent = await this.#read(streams, { blockMs: BLOCK_MS }, brought);
      isLazy = !isUrgent && !leftSome && brought.size > 0;
    }
    const following = streams.filter(([, p]) => !this.#watchedOf(p).isBehind);
    // Where a partition is behind, the read has brought one record of each.
    const isShort = following.length < streams.length;
    const isSoon = watched.some((p) => this.#watchedOf(p).soonCount > 0);
    const waitMs = isSoon ? logBudgets.soonMs : this.#parts.lazyMs;
    await Promise.all([
      isLazy && this.#read([], { blockMs: waitMs }, further),
      (isLazy || isShort) && following.length > 0 &&
      this.#read(following, { behindMs: isLazy ? waitMs : 0 }, further),
    ]);
    this.#isSteady = isLazy && !isShort && !this.#leftSome && further.size > 0;
    for (const p of brought.union(further)) this.#watchedOf(p).listeners.tell();
  }

  /**
   * Reads the entries behind those that were read before, and adds their partitions to `brought`.
   *
   * @param wait How long to wait where there are none, default not at all, or how long a read that
   * was sent before may wait, ms.
   * @returns Whether an urgent append was among them.
   */
  async #read(
    streams: readonly (readonly [key: string, partition: number])[],
    { blockMs, behindMs = 0 }: { readonly blockMs?: number; readonly behindMs?: number },
    brought: Set<number>,
  ): Promise<boolean> {
    const { urgent } = this.#parts.keys;
    // A partition with a new listener is looked at before it is read.
    const read = streams.filter(([, p]) => this.#watchedOf(p).toldTo >= 0);
    const fitting = Math.floor(TAIL_BYTES_MAX / this.#recordBytes);
    const isBehind = read.some(([, p]) => this.#watchedOf(p).isBehind);
    const count = isBehind ? 1 : Math.max(1, Math.min(RECORDS_MAX, fitting));
    const reply = await this.#connection.sendForBytes<StreamReply>([
      ...["XREAD", "COUNT", count],
      ...(blockMs === undefined ? [] : ["BLOCK", blockMs]),
      ...["STREAMS", urgent, ...read.map(([key]) => key)],
      ...[this.#urgentId, ...read.map(([, p]) => idBefore(this.#watchedOf(p).toldTo))],
    ], blockMs ?? behindMs);
    const partitions = new Map(read);
    if (read.length > 0) this.#leftSome = false;
    let isUrgent = false;
    for (const [keyBytes, entries] of reply ?? []) {
      const key = keyBytes.toString();
      if (key === urgent) {
        this.#urgentId = entries[entries.length - 1][0].toString("latin1");
        isUrgent = true;
        continue;
      }
      const partition = partitions.get(key);
      if (partition === undefined) continue;
      if (entries.length === count) this.#leftSome = true;
      this.#bring(partition, recordsOf(entries));
      brought.add(partition);
    }
    return isUrgent;
  }

  #bring(partition: number, records: readonly LogRecord[]): void {
    const last = records.at(-1);
    if (last === undefined) return;
    const { tail } = this.#watchedOf(partition);
    this.#watchedOf(partition).toldTo = last.offset + 1;
    tail.add(records);
    const bytes = records.reduce((sum, record) => sum + record.bytes.byteLength, 0);
    this.#recordBytes = Math.max(1, bytes / records.length);
  }

  #watchedOf(partition: number): WatchedPartition {
    let watched = this.#partitions.get(partition);
    if (watched === undefined) {
      watched = {
        listeners: new Listeners<[]>(),
        tail: new LogTail({ recordsMax: RECORDS_MAX, bytesMax: TAIL_BYTES_MAX }),
        count: 0,
        soonCount: 0,
        toldTo: -1,
        isBehind: false,
      };
      this.#partitions.set(partition, watched);
    }
    return watched;
  }

  /** Ends the present wait, so that the next one has the new partition. */
  async #interrupt(): Promise<void> {
    this.#isOutdated = true;
    while (this.#isOutdated && this.#isRunning && !this.#isClosed) {
      // The wait may be on its way to the server, which then has none to end yet.
      if (this.#clientId !== undefined) {
        const command = ["CLIENT", "UNBLOCK", this.#clientId];
        const ended = await this.#parts.server.commands.send<number>(command).catch(() => 0);
        if (ended === 1) return;
      }
      await pause(PACE_MS);
    }
  }
}
