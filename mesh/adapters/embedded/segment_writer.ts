/**
 * Appends to a partition's segment files. The appends of one turn of the event loop are written as
 * one block; blocks that are written while the disk syncs share the next sync, so that the event
 * loop never waits for the disk.
 *
 * A failed write (no space is left) is undone: its appends are refused, its bytes are removed, and
 * the next append tries again. A failed sync is final: the kernel may have dropped the pages, and
 * another sync would succeed all the same. Only opening the log again shows the bytes on the disk.
 */
import { invariant } from "../../../structures/invariant.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AppendUntil, LogUnavailableError } from "../../ports/event_log.ts";
import type { Files } from "../../ports/files.ts";
import { diskTooSlow, syncFailed, writeFailed } from "./append_refusals.ts";
import { isWritable } from "./disk_probe.ts";
import { OpenSegment } from "./open_segment.ts";
import { blockOf, type PendingAppend, rejectAll } from "./pending_append.ts";
import { blockBytes, encodeBlock } from "./segment_block.ts";
import { segmentPath } from "./segment_files.ts";
import { type DurableEvidence, recoverPartition, type TornTail } from "./segment_recovery.ts";

export interface SegmentWriterOptions {
  readonly directory: string;
  readonly files: Files;
  readonly clock: Clock;
  /** Evidence of records that were durable before the opening. */
  readonly evidence?: DurableEvidence | undefined;
  /** A segment that would grow past this is closed and a new one begun, bytes. */
  readonly segmentBytesMax: number;
  /**
   * The moment at which records count as durable. `disk`: when they are synced. `process`: when the
   * operating system has them; a power failure may lose the last.
   */
  readonly durability: "disk" | "process";
  /** Called after records became durable, before their appends resolve. */
  readonly onDurable: (endOffset: number) => void;
}

/** A block of up to this size is made in memory that the next one uses again. */
const ROOM_BYTES = 256 * 1024;

/** Delay before syncing records whose append did not ask for durability, ms. */
const SYNC_DELAY_MS = 20;

/**
 * Bytes that may wait for the disk. While a sync takes long, clients give up and send again, and
 * each attempt would wait here.
 */
const UNSYNCED_BYTES_MAX = 64 * 1024 * 1024;

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #segment: OpenSegment;
  #nextOffset: number;
  #writtenOffset: number;
  /** Records before it are durable, by the measure of `durability`. */
  #durableOffset: number;
  /** Records before it were synced. */
  #syncedOffset: number;
  /** Not written yet. */
  #pending: PendingAppend[] = [];
  /** Written, waiting to be durable. */
  #unsynced: PendingAppend[] = [];
  /** Bytes of the appends that are to be durable and are not. */
  #bytesUnsynced = 0;
  #syncing: Promise<void> | undefined;
  /** Ends the delay before a sync. */
  #syncNow: (() => void) | undefined;
  /** The failure of the last write; cleared by a write that works. */
  #failure: LogUnavailableError | undefined;
  #broken: Error | undefined;
  /** Memory in which small blocks are made. */
  readonly #room = new Uint8Array(ROOM_BYTES);
  #bytesWritten = 0;
  #bytesPending = 0;
  /** The tail that was truncated at the opening. */
  readonly torn: TornTail | undefined;

  /**
   * Opens a partition, see {@link recoverPartition}.
   *
   * @throws {LogCorruptError} A block that was durable is damaged.
   */
  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    const { directory, evidence, files } = options;
    const { path, position, endOffset, torn } = recoverPartition(directory, evidence, files);
    this.torn = torn;
    this.#segment = OpenSegment.open(files, path, position);
    this.#nextOffset = this.#writtenOffset = this.#durableOffset = endOffset;
    this.#syncedOffset = endOffset;
  }

  /** The newest segment. */
  get path(): string {
    return this.#segment.path;
  }

  /** The offset that the next appended record will get. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  /** The offset after the last durable record. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  /** Bytes written since the opening, and about to be. */
  get bytes(): number {
    return this.#bytesWritten + this.#bytesPending;
  }

  /**
   * Why appends fail. After a failed write it tries whether a write works again, in a file of its
   * own: without appends nothing else would find out.
   */
  failure(): Error | undefined {
    if (this.#broken !== undefined || this.#failure === undefined) return this.#broken;
    const { directory, files } = this.#options;
    if (isWritable(directory, files)) this.#failure = undefined;
    return this.#failure;
  }

  /** Resolves with the first record's offset. */
  append(records: readonly Uint8Array[], until: AppendUntil): Promise<number> {
    if (this.#broken) return Promise.reject(this.#broken);
    const firstOffset = this.#nextOffset;
    if (records.length === 0) return Promise.resolve(firstOffset);
    if (until === "durable" && this.#bytesUnsynced > UNSYNCED_BYTES_MAX) {
      return Promise.reject(diskTooSlow(this.#options.directory, this.#bytesUnsynced));
    }
    this.#nextOffset += records.length;
    const bytes = blockBytes(records);
    const unsynced = until === "durable" ? bytes : 0;
    this.#bytesPending += bytes;
    this.#bytesUnsynced += unsynced;
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) queueMicrotask(() => this.#writePending());
      this.#pending.push({
        records,
        firstOffset,
        until,
        resolve: (offset) => {
          this.#bytesUnsynced -= unsynced;
          resolve(offset);
        },
        reject: (error) => {
          this.#bytesUnsynced -= unsynced;
          reject(error);
        },
      });
    });
  }

  /**
   * Begins a new segment, unless the newest one is empty.
   *
   * @throws {Error} When it cannot be made; appends go on in the old one.
   */
  roll(): void {
    this.#writePending();
    if (this.#segment.bytes > 0 && this.#broken === undefined) this.#roll();
  }

  async close(): Promise<void> {
    this.#writePending();
    this.#syncNow?.();
    await this.#syncing;
    this.#broken ??= new Error(`The log in ${this.#options.directory} is closed`);
    await this.#segment.close();
  }

  #writePending(): void {
    const appends = this.#pending;
    if (appends.length === 0 || this.#broken) return;
    this.#pending = [];
    this.#bytesPending = 0;
    let written = 0;
    try {
      while (written < appends.length) {
        const block = blockOf(appends, written);
        this.#writeBlock(block.flatMap(({ records }) => records));
        written += block.length;
      }
      this.#failure = undefined;
    } catch (error) {
      // Blocks before a sync that failed may be lost with it.
      if (this.#broken) return rejectAll(appends, this.#broken);
      this.#refuse(appends.slice(written), error);
    }
    for (const append of appends.slice(0, written)) {
      if (append.until === "durable") this.#unsynced.push(append);
      else append.resolve(append.firstOffset);
    }
    if (this.#unsynced.length > 0) this.#syncNow?.();
    this.#syncing ??= this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    await Promise.resolve(); // blocks that this turn appends to other partitions are written first
    while (this.#durableOffset < this.#writtenOffset && !this.#broken) {
      if (this.#unsynced.length === 0 && this.#options.durability === "disk") {
        await this.#delaySync();
      }
      const appends = this.#unsynced;
      const writtenOffset = this.#writtenOffset;
      this.#unsynced = [];
      try {
        if (this.#options.durability === "disk") await this.#sync(writtenOffset);
      } catch (error) {
        this.#break(appends, error);
        break;
      }
      invariant(writtenOffset > this.#durableOffset, "each sync makes further records durable");
      this.#durableOffset = writtenOffset;
      this.#options.onDurable(this.#durableOffset);
      for (const append of appends) append.resolve(append.firstOffset);
    }
    this.#syncing = undefined;
  }

  async #sync(writtenOffset: number): Promise<void> {
    await this.#segment.sync();
    this.#syncedOffset = Math.max(this.#syncedOffset, writtenOffset);
  }

  /** Further appends share the sync. The first append that waits for the disk ends the delay. */
  #delaySync(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#syncNow = undefined;
        resolve();
      };
      const timer = this.#options.clock.schedule(SYNC_DELAY_MS, end);
      this.#syncNow = end;
    });
  }

  #blockOf(records: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    return encodeBlock(
      { firstOffset: this.#writtenOffset, durableOffset: this.#syncedOffset, records },
      this.#room,
    );
  }

  #writeBlock(records: readonly Uint8Array[]): void {
    const bytes = blockBytes(records);
    const isFull = this.#segment.bytes + bytes > this.#options.segmentBytesMax;
    if (this.#segment.bytes > 0 && isFull) this.#roll();
    this.#segment.write(this.#blockOf(records));
    this.#bytesWritten += bytes;
    this.#writtenOffset += records.length;
    invariant(
      this.#writtenOffset <= this.#nextOffset,
      "records are written after they got offsets",
    );
  }

  /**
   * Begins a new segment. The old file is synced at once, because later syncs reach the new file
   * alone.
   */
  #roll(): void {
    const { directory, durability, files } = this.#options;
    if (durability === "disk") {
      try {
        this.#segment.syncNow();
        this.#syncedOffset = this.#writtenOffset;
      } catch (error) {
        this.#break([], error);
        throw error;
      }
    }
    const path = segmentPath(directory, this.#writtenOffset);
    const next = OpenSegment.create(files, directory, path, (cause) => this.#break([], cause));
    void this.#segment.close();
    this.#segment = next;
  }

  /** After a failed write: the log ends where it ended before. */
  #refuse(appends: readonly PendingAppend[], cause: unknown): void {
    this.#nextOffset = this.#writtenOffset;
    this.#failure = writeFailed(this.#options.directory, cause);
    rejectAll(appends, this.#failure);
  }

  /** After a failed sync no more is appended. */
  #break(appends: readonly PendingAppend[], cause: unknown): void {
    this.#broken = syncFailed(this.#options.directory, cause);
    this.#bytesPending = 0;
    rejectAll([...appends, ...this.#unsynced.splice(0), ...this.#pending.splice(0)], this.#broken);
  }
}
