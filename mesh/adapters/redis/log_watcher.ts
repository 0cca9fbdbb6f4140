/**
 * Wakes the readers of a log when other processes have appended, by one blocking read over all
 * partitions that have listeners, on a connection of its own.
 *
 * A read that follows each append would cost its process, the server and the disk a turn for each
 * ranking. So listeners are told at most every {@link PACE_MS}: at once after a pause, and then of
 * all that came meanwhile.
 */
import { Listeners } from "../../runtime/listeners.ts";
import { idBefore } from "./log_scripts.ts";
import type { RedisConnection } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";

/** The parts of a log that its watcher uses. */
export interface WatcherParts {
  readonly server: RedisServer;
  readonly partitions: number;
  streamOf(partition: number): string;
  /** The ends of these partitions. */
  endsOf(partitions: readonly number[]): Promise<number[]>;
}

interface WatchedPartition {
  readonly listeners: Listeners<[]>;
  count: number;
  /** Records before this offset were told of; -1 before the first look. */
  toldTo: number;
  /** When the listeners were told last, on the monotonic clock, ms. */
  toldAtMs: number;
  /** Tells the listeners of the records that came since. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Longest wait of one blocking read, ms. */
const BLOCK_MS = 5_000;
/** Least time between two calls of a listener, ms. */
const PACE_MS = 10;
/** Pause after a failure, ms. */
const RETRY_MS = 100;

export class LogWatcher {
  readonly #parts: WatcherParts;
  readonly #partitions: WatchedPartition[];
  #connection: RedisConnection | undefined;
  /** The server's number of the connection, by which its wait is ended. */
  #clientId: number | undefined;
  #isRunning = false;
  #isClosed = false;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
    this.#partitions = Array.from({ length: parts.partitions }, () => ({
      listeners: new Listeners<[]>(),
      count: 0,
      toldTo: -1,
      toldAtMs: -Infinity,
      timer: undefined,
    }));
  }

  /** Adds a listener; returns a function that removes it. */
  add(partition: number, listener: () => void): () => void {
    const watched = this.#partitions[partition];
    const remove = watched.listeners.add(listener);
    if (watched.count++ === 0) watched.toldTo = -1;
    if (!this.#isRunning) void this.#run();
    else if (watched.count === 1) this.#interrupt();
    let isRemoved = false;
    return () => {
      if (isRemoved) return;
      isRemoved = true;
      remove();
      watched.count--;
    };
  }

  /** Tells the listeners of an append by this process. */
  tell(partition: number, endOffset: number): void {
    const watched = this.#partitions[partition];
    if (watched.toldTo >= 0) watched.toldTo = Math.max(watched.toldTo, endOffset);
    this.#tellPaced(watched);
  }

  /** Ends the wait; no listener is called any more. */
  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
    for (const watched of this.#partitions) {
      clearTimeout(watched.timer);
      watched.timer = undefined;
      watched.listeners.clear();
    }
  }

  #tellPaced(watched: WatchedPartition): void {
    if (watched.count === 0 || watched.timer !== undefined) return;
    const leftMs = watched.toldAtMs + PACE_MS - performance.now();
    const tell = () => {
      watched.timer = undefined;
      watched.toldAtMs = performance.now();
      watched.listeners.tell();
    };
    if (leftMs <= 0) tell();
    else watched.timer = setTimeout(tell, leftMs);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const connection = this.#connection = this.#parts.server.waitingConnection();
    while (!this.#isClosed) {
      const watched = [...this.#partitions.keys()].filter((p) => this.#partitions[p].count > 0);
      if (watched.length === 0) break;
      try {
        if (!connection.isReady) {
          await connection.connect();
          this.#clientId = await connection.send<number>(["CLIENT", "ID"]);
          // Appends may have come while there was no connection.
          for (const p of watched) this.#partitions[p].toldTo = -1;
        }
        await this.#look(watched);
        const lookedAtMs = performance.now();
        await this.#wait(connection, watched);
        const leftMs = lookedAtMs + PACE_MS - performance.now();
        if (leftMs > 0 && !this.#isClosed) await pause(leftMs);
      } catch {
        if (!this.#isClosed) await pause(RETRY_MS);
      }
    }
    connection.close();
    this.#isRunning = false;
    // A listener may have come while the loop ended.
    if (!this.#isClosed && this.#partitions.some(({ count }) => count > 0)) void this.#run();
  }

  /** Compares the ends with those that were told of. */
  async #look(watched: readonly number[]): Promise<void> {
    const ends = await this.#parts.endsOf(watched);
    watched.forEach((p, i) => {
      const partition = this.#partitions[p];
      const isNew = ends[i] > Math.max(0, partition.toldTo);
      partition.toldTo = Math.max(partition.toldTo, ends[i]);
      if (isNew) this.#tellPaced(partition);
    });
  }

  async #wait(connection: RedisConnection, watched: readonly number[]): Promise<void> {
    const streams = watched.map((p) => this.#parts.streamOf(p));
    const after = watched.map((p) => idBefore(this.#partitions[p].toldTo));
    await connection.sendForBytes(
      ["XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", ...streams, ...after],
      BLOCK_MS,
    );
  }

  /** Ends the present wait, so that the next one has the new partition. */
  #interrupt(): void {
    if (this.#clientId === undefined) return;
    this.#parts.server.commands.send(["CLIENT", "UNBLOCK", this.#clientId]).catch(() => {});
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
