/**
 * Appends to a partition's segment files: what one turn of the event loop appends is written as one block, and what is
 * written while the disk syncs shares the next sync, so that the event loop never waits for the disk.
 *
 * A write that fails (no space is left) takes nothing with it: its appends are refused, what it left in the file is
 * cut off, and the next append tries again. A sync that fails is final: what the system still held may be gone, and
 * another sync would say that all is well.
 */
import { type AppendUntil, LogUnavailableError } from "../../ports/event_log.ts";
import { PageCacheRelease } from "../linux/page_cache.ts";
import { blockBytes, encodeBlock } from "./segment_block.ts";
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

/** A block holds whole appends of one turn, up to about this much, so that an append is written whole or not at all. */
const blockBytesMax = 8 * 1024 * 1024;

/** A block of up to this much is made in memory that is kept for it. */
const roomBytes = 256 * 1024;

/** Records that nobody waits for to be durable are, this much later. */
const pauseMs = 20;

/** What has to fit on the disk before a log that could not be written counts as mended. */
const probeBytes = 64 * 1024;

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #file: Deno.FsFile;
  #pages: PageCacheRelease;
  /** Where the file's own position is; NaN = unknown. */
  #cursor = NaN;
  #position: number;
  #nextOffset: number;
  #durableOffset: number;
  #writtenOffset: number;
  /** Not written yet. */
  #pending: PendingAppend[] = [];
  /** Written, waiting to be durable. */
  #unsynced: PendingAppend[] = [];
  #syncing: Promise<void> | undefined;
  /** Ends a pause before a sync that nobody waits for. */
  #hurry: (() => void) | undefined;
  /** Why the last write failed; cleared by one that works. */
  #failure: LogUnavailableError | undefined;
  #broken: Error | undefined;
  /** Where usual blocks are made. */
  readonly #room = new Uint8Array(roomBytes);
  #bytesWritten = 0;
  #bytesPending = 0;
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
    this.#pages = new PageCacheRelease(path, end.position);
    this.#position = end.position;
    this.#nextOffset = this.#writtenOffset = this.#durableOffset = end.endOffset;
  }

  /** The offset after the last durable record. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  /** Written since the file was opened, and about to be. */
  get bytes(): number {
    return this.#bytesWritten + this.#bytesPending;
  }

  /** Why appends fail; tries first whether they still do, since a log that nobody appends to would never find out. */
  failure(): Error | undefined {
    if (this.#broken !== undefined || this.#failure === undefined) return this.#broken;
    try {
      this.#writeAt(this.#position, new Uint8Array(probeBytes));
      this.#failure = undefined;
    } catch { /* still no room */ }
    this.#cutOff();
    return this.#failure;
  }

  /** Resolves with the first record's offset. */
  append(records: readonly Uint8Array[], until: AppendUntil): Promise<number> {
    if (this.#broken) return Promise.reject(this.#broken);
    const firstOffset = this.#nextOffset;
    if (records.length === 0) return Promise.resolve(firstOffset);
    this.#nextOffset += records.length;
    this.#bytesPending += blockBytes(records);
    return new Promise((resolve, reject) => {
      if (this.#pending.length === 0) queueMicrotask(() => this.#writePending());
      this.#pending.push({ records, firstOffset, until, resolve, reject });
    });
  }

  async close(): Promise<void> {
    this.#writePending();
    this.#hurry?.();
    await this.#syncing;
    this.#broken ??= new Error(`The log in ${this.#options.directory} is closed`);
    this.#file.close();
    await this.#pages.close();
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
      this.#refuse(appends.slice(written), error);
    }
    for (const append of appends.slice(0, written)) {
      if (append.until === "durable") this.#unsynced.push(append);
      else append.resolve(append.firstOffset);
    }
    if (this.#unsynced.length > 0) this.#hurry?.();
    this.#syncing ??= this.#syncAll();
  }

  async #syncAll(): Promise<void> {
    await Promise.resolve(); // what the same turn appends to other partitions is written first
    while (this.#durableOffset < this.#writtenOffset && !this.#broken) {
      if (this.#unsynced.length === 0 && this.#options.durability === "disk") await this.#pause();
      const appends = this.#unsynced;
      const writtenOffset = this.#writtenOffset;
      const [pages, position] = [this.#pages, this.#position];
      this.#unsynced = [];
      try {
        if (this.#options.durability === "disk") {
          await this.#file.syncData();
          if (pages === this.#pages) pages.follow(position);
        }
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

  /** What comes meanwhile shares the sync; the first append that waits for the disk ends it. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#hurry!(), pauseMs);
      this.#hurry = () => {
        clearTimeout(timer);
        this.#hurry = undefined;
        resolve();
      };
    });
  }

  #writeBlock(records: readonly Uint8Array[]): void {
    const block = encodeBlock(this.#writtenOffset, records, this.#room);
    if (this.#position > 0 && this.#position + block.byteLength > this.#options.segmentBytesMax) {
      this.#roll();
    }
    this.#writeAt(this.#position, block);
    this.#position += block.byteLength;
    this.#bytesWritten += block.byteLength;
    this.#writtenOffset += records.length;
  }

  #writeAt(position: number, bytes: Uint8Array): void {
    if (position !== this.#cursor) this.#file.seekSync(position, Deno.SeekMode.Start);
    this.#cursor = NaN;
    for (let at = 0; at < bytes.byteLength;) at += this.#file.writeSync(bytes.subarray(at));
    this.#cursor = position + bytes.byteLength;
  }

  /**
   * The old file is synced here and now: later syncs reach the new one alone. A file of the new one's name can only be
   * what an earlier attempt left, and is empty.
   */
  #roll(): void {
    try {
      if (this.#options.durability === "disk") this.#file.syncDataSync();
    } catch (error) {
      this.#break([], error);
      throw error;
    }
    const path = segmentPath(this.#options.directory, this.#writtenOffset);
    const next = Deno.openSync(path, { create: true, truncate: true, read: true, write: true });
    try {
      syncDirectory(this.#options.directory);
    } catch (error) {
      next.close();
      throw error;
    }
    this.#file.close();
    this.#pages.close();
    this.#file = next;
    this.#pages = new PageCacheRelease(path, 0);
    this.#position = this.#cursor = 0;
  }

  /** After a write that failed: the log ends where it ended before it. */
  #refuse(appends: readonly PendingAppend[], cause: unknown): void {
    this.#cutOff();
    this.#nextOffset = this.#writtenOffset;
    this.#failure = new LogUnavailableError(
      this.#options.directory,
      "Nothing was appended. Free disk space or repair the disk; appends go on as soon as writing works.",
      cause,
    );
    for (const append of appends) append.reject(this.#failure);
  }

  /** Where that fails too, the next block is written over what is there, and an opening drops it as torn. */
  #cutOff(): void {
    try {
      this.#file.truncateSync(this.#position);
    } catch { /* see above */ }
  }

  /** After a failed sync nobody knows what is on disk: only opening the log anew finds out. */
  #break(appends: readonly PendingAppend[], cause: unknown): void {
    this.#broken = new LogUnavailableError(
      this.#options.directory,
      "What was written last may be lost. Free disk space or repair the disk, then restart.",
      cause,
    );
    this.#bytesPending = 0;
    const waiting = [...appends, ...this.#unsynced.splice(0), ...this.#pending.splice(0)];
    for (const append of waiting) append.reject(this.#broken);
  }
}

/** The appends from number `from` on that share a block: at least one. */
function blockOf(appends: readonly PendingAppend[], from: number): readonly PendingAppend[] {
  let to = from;
  let bytes = 0;
  do {
    bytes += blockBytes(appends[to++].records);
  } while (to < appends.length && bytes + blockBytes(appends[to].records) <= blockBytesMax);
  return appends.slice(from, to);
}
