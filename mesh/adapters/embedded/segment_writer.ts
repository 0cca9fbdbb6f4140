/**
 * Appends to a partition's segment files: what one turn of the event loop appends is written as one block, and what is
 * written while the disk syncs shares the next sync, so that the event loop never waits for the disk.
 */
import type { AppendUntil } from "../../ports/event_log.ts";
import { blockBytes, blockHeaderBytes, encodeBlock } from "./segment_block.ts";
import { listSegments, segmentPath, syncDirectory } from "./segment_files.ts";
import { SegmentReader } from "./segment_reader.ts";

export interface SegmentWriterOptions {
  readonly directory: string;
  /** A segment that has grown past this is closed and a new one begun. */
  readonly segmentBytesMax: number;
  /** `disk`: appends resolve when synced. `process`: when the operating system has them; a power failure may lose the last. */
  readonly durability: "disk" | "process";
  /** Called after records became durable, before their appends resolve. */
  readonly onDurable: (endOffset: number) => void;
}

interface PendingAppend {
  readonly records: readonly Uint8Array[];
  readonly firstOffset: number;
  readonly until: AppendUntil;
  readonly resolve: (firstOffset: number) => void;
  readonly reject: (error: unknown) => void;
}

/** A block holds what one turn appended, up to about this much. */
const blockBytesMax = 8 * 1024 * 1024;

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #file: Deno.FsFile;
  #position: number;
  #nextOffset: number;
  #durableOffset: number;
  #writtenOffset: number;
  /** Not written yet. */
  #pending: PendingAppend[] = [];
  /** Written, waiting to be durable. */
  #unsynced: PendingAppend[] = [];
  #syncing: Promise<void> | undefined;
  #broken: Error | undefined;
  /** Bytes of a torn block that the last crash left, dropped at open. */
  readonly bytesTruncated: number;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    Deno.mkdirSync(options.directory, { recursive: true });
    const reader = new SegmentReader(options.directory);
    const end = reader.findEnd();
    reader.close();
    const last = listSegments(options.directory).at(-1);
    const path = last?.path ?? segmentPath(options.directory, 0);
    this.#file = Deno.openSync(path, { create: true, read: true, write: true });
    if (!last) syncDirectory(options.directory);
    this.bytesTruncated = end.fileBytes - end.position;
    if (this.bytesTruncated > 0) {
      this.#file.truncateSync(end.position);
      this.#file.syncDataSync();
    }
    this.#position = end.position;
    this.#nextOffset = this.#writtenOffset = this.#durableOffset = end.endOffset;
  }

  /** The offset after the last durable record. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  /** Resolves with the first record's offset. */
  append(records: readonly Uint8Array[], until: AppendUntil): Promise<number> {
    if (this.#broken) return Promise.reject(this.#broken);
    const firstOffset = this.#nextOffset;
    if (records.length === 0) return Promise.resolve(firstOffset);
    this.#nextOffset += records.length;
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) queueMicrotask(() => this.#writePending());
      this.#pending.push({ records, firstOffset, until, resolve, reject });
    });
  }

  async close(): Promise<void> {
    this.#writePending();
    await this.#syncing;
    this.#broken ??= new Error(`The log in ${this.#options.directory} is closed`);
    this.#file.close();
  }

  #writePending(): void {
    const appends = this.#pending;
    if (appends.length === 0 || this.#broken) return;
    this.#pending = [];
    try {
      this.#write(appends);
    } catch (error) {
      return this.#break(appends, error);
    }
    for (const append of appends) {
      if (append.until === "durable") this.#unsynced.push(append);
      else append.resolve(append.firstOffset);
    }
    this.#syncing ??= this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    await Promise.resolve(); // what the same turn appends to other partitions is written first
    while (this.#durableOffset < this.#writtenOffset && !this.#broken) {
      const appends = this.#unsynced;
      const writtenOffset = this.#writtenOffset;
      this.#unsynced = [];
      try {
        if (this.#options.durability === "disk") await this.#file.syncData();
      } catch (error) {
        this.#break(appends, error);
        break;
      }
      this.#durableOffset = writtenOffset;
      this.#options.onDurable(this.#durableOffset);
      for (const append of appends) append.resolve(append.firstOffset);
    }
    this.#syncing = undefined;
  }

  #write(appends: readonly PendingAppend[]): void {
    let records: Uint8Array[] = [];
    let bytes = blockHeaderBytes;
    for (const append of appends) {
      for (const record of append.records) {
        const recordBytes = blockBytes([record]) - blockHeaderBytes;
        if (records.length > 0 && bytes + recordBytes > blockBytesMax) {
          this.#writeBlock(records, bytes);
          records = [];
          bytes = blockHeaderBytes;
        }
        records.push(record);
        bytes += recordBytes;
      }
    }
    this.#writeBlock(records, bytes);
  }

  #writeBlock(records: readonly Uint8Array[], bytes: number): void {
    if (this.#position > 0 && this.#position + bytes > this.#options.segmentBytesMax) this.#roll();
    const block = encodeBlock(this.#writtenOffset, records);
    this.#file.seekSync(this.#position, Deno.SeekMode.Start);
    for (let at = 0; at < block.byteLength;) at += this.#file.writeSync(block.subarray(at));
    this.#position += block.byteLength;
    this.#writtenOffset += records.length;
  }

  /** The old file is synced here and now: later syncs reach the new one alone. */
  #roll(): void {
    if (this.#options.durability === "disk") this.#file.syncDataSync();
    const path = segmentPath(this.#options.directory, this.#writtenOffset);
    const next = Deno.openSync(path, { createNew: true, read: true, write: true });
    syncDirectory(this.#options.directory);
    this.#file.close();
    this.#file = next;
    this.#position = 0;
  }

  /** After a failed write or sync nobody knows what is on disk: only opening the log anew finds out. */
  #break(appends: readonly PendingAppend[], cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#broken = new Error(
      `Cannot append to ${this.#options.directory}: ${reason}. Free disk space or repair the disk, then restart.`,
      { cause },
    );
    const waiting = [...appends, ...this.#unsynced.splice(0), ...this.#pending.splice(0)];
    for (const append of waiting) append.reject(this.#broken);
  }
}
