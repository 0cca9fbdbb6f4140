/**
 * The event log port over a {@link LogMedium}, as one thread of one incarnation of the process sees
 * it. Writes and syncs take virtual time; after the process has died, nothing that was asked of it
 * has an effect or an answer.
 */
import type {
  AppendFence,
  AppendUntil,
  EventLog,
  LogRecord,
  LogUsage,
} from "../../mesh/ports/event_log.ts";
import {
  checkFence,
  LogFullError,
  LogUnavailableError,
  StaleWriterError,
} from "../../mesh/ports/event_log.ts";
import { Listeners } from "../../mesh/runtime/listeners.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import type { LogMedium } from "./log_medium.ts";
import type { NodeClock } from "./node_clock.ts";

/** How long the disk takes. */
export interface DiskTimes {
  /** Draws the latency of the n-th sync of all. */
  readonly latency: KeyedHash;
  /** Mean latency of a sync, ms. */
  readonly syncMs: number;
  /** Further latency at this moment, ms. */
  readonly extraMs: () => number;
}

/** An append that waits to be durable. */
interface Waiting {
  readonly end: number;
  resolve(): void;
}

/** Syncs of one partition: one at a time, each takes along all that was written when it began. */
interface SyncQueue {
  running: boolean;
  waiting: Waiting[];
  syncs: number;
}

/** Shared by the threads of one incarnation: an append in one thread wakes readers in another. */
export class WorldLogHub {
  readonly listeners: readonly Listeners<[]>[];
  constructor(readonly medium: LogMedium) {
    this.listeners = medium.partitions.map(() => new Listeners());
  }
}

/** A log of a simulated process. */
export class WorldLog implements EventLog {
  readonly partitions: number;
  readonly #hub: WorldLogHub;
  readonly #clock: NodeClock;
  readonly #times: DiskTimes;
  readonly #queues: readonly SyncQueue[];
  #refusal: Error | undefined;

  constructor(hub: WorldLogHub, clock: NodeClock, times: DiskTimes) {
    this.#hub = hub;
    this.partitions = hub.medium.partitions.length;
    this.#clock = clock;
    this.#times = times;
    this.#queues = hub.medium.partitions.map(() => ({ running: false, waiting: [], syncs: 0 }));
  }

  append(
    partition: number,
    records: readonly Uint8Array[],
    until: AppendUntil = "durable",
    fence?: AppendFence,
  ): Promise<number> {
    const { medium } = this.#hub;
    const target = medium.partition(partition);
    if (this.#clock.revoked) return never();
    const stale = checkFence({
      log: medium.name,
      partition,
      epoch: medium.epochs.get(partition) ?? 0,
      endOffset: target.written,
    }, fence);
    if (stale !== undefined) return Promise.reject(stale);
    const bytes = records.reduce((sum, record) => sum + record.byteLength, 0);
    const refusal = this.#refusalOf(bytes);
    this.#refusal = refusal;
    if (refusal !== undefined) return Promise.reject(refusal);
    const first = target.written;
    medium.write(partition, records.map((record) => record.slice()));
    const durable = this.#durable(partition, target.written);
    return until === "written" ? Promise.resolve(first) : durable.then(() => first);
  }

  claim(partition: number, epoch: number): Promise<number> {
    if (this.#clock.revoked) return never();
    const { medium } = this.#hub;
    const present = medium.epochs.get(partition) ?? 0;
    if (epoch < present) {
      return Promise.reject(new StaleWriterError(medium.name, partition, epoch, present));
    }
    return this.#after(partition, () => void medium.epochs.set(partition, epoch))
      .then(() => medium.partition(partition).written);
  }

  read(partition: number, fromOffset: number, recordsMax: number): Promise<LogRecord[]> {
    if (this.#clock.revoked) return never();
    const { floor, records, durable } = this.#hub.medium.partition(partition);
    const from = Math.max(fromOffset, floor);
    const end = Math.min(durable, from + recordsMax);
    return Promise.resolve(
      records.slice(from - floor, Math.max(from, end) - floor).map((bytes, i) => ({
        offset: from + i,
        bytes: bytes.slice(),
      })),
    );
  }

  endOffset(partition: number): Promise<number> {
    return this.#clock.revoked
      ? never()
      : Promise.resolve(this.#hub.medium.partition(partition).durable);
  }

  onAppended(partition: number, listener: () => void): () => void {
    // Another thread hears of an append in a turn of its own.
    return this.#hub.listeners[partition].add(() => void this.#clock.schedule(0, listener));
  }

  commitOffset(consumer: string, partition: number, offset: number): Promise<void> {
    if (this.#clock.revoked) return never();
    return this.#after(partition, () => {
      this.#hub.medium.committed.set(`${partition} ${consumer}`, offset);
    });
  }

  committedOffset(consumer: string, partition: number): Promise<number> {
    return this.#clock.revoked
      ? never()
      : Promise.resolve(this.#hub.medium.committed.get(`${partition} ${consumer}`) ?? 0);
  }

  trim(partition: number, offset: number): Promise<void> {
    if (this.#clock.revoked) return never();
    return this.#after(partition, () => {
      this.#hub.medium.trim(partition, offset);
      this.#refusal = undefined;
    });
  }

  usage(): LogUsage {
    return this.#hub.medium.usage();
  }

  refusal(): Error | undefined {
    if (this.#refusal instanceof LogUnavailableError) this.#refusal = this.#refusalOf(0);
    return this.#refusal;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #refusalOf(bytes: number): Error | undefined {
    const { medium } = this.#hub;
    if (this.#clock.monotonicMs() < medium.refusedUntilMs) {
      return new LogUnavailableError(
        `the log "${medium.name}"`,
        "The next append tries again.",
        new Error("no space left on the simulated disk"),
      );
    }
    const { bytes: held, bytesMax } = medium.usage();
    return medium.fits(bytes) ? undefined : new LogFullError(medium.name, held, bytesMax);
  }

  #durable(partition: number, end: number): Promise<void> {
    const queue = this.#queues[partition];
    return new Promise((resolve) => {
      queue.waiting.push({ end, resolve });
      if (!queue.running) this.#sync(partition, queue);
    });
  }

  #sync(partition: number, queue: SyncQueue): void {
    queue.running = true;
    const { medium, listeners } = this.#hub;
    const end = medium.partition(partition).written;
    this.#clock.schedule(this.#syncMs(partition, queue), () => {
      medium.sync(partition, end);
      const done = queue.waiting.filter((waiting) => waiting.end <= end);
      queue.waiting = queue.waiting.filter((waiting) => waiting.end > end);
      queue.running = false;
      if (queue.waiting.length > 0) this.#sync(partition, queue);
      for (const waiting of done) waiting.resolve();
      listeners[partition].tell();
    });
  }

  #after(partition: number, effect: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.schedule(this.#syncMs(partition, this.#queues[partition]), () => {
        effect();
        resolve();
      });
    });
  }

  #syncMs(partition: number, queue: SyncQueue): number {
    const { latency, syncMs, extraMs } = this.#times;
    return latency.exponential(partition * 2 ** 24 + queue.syncs++) * syncMs + extraMs();
  }
}

/** A dead process gets no answer. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}
