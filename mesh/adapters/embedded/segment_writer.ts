/**
 * Appends to a partition's segment files with group commit: what arrives while one block is being synced to disk goes
 * together into the next, so the cost of a sync is shared and the event loop never waits for the disk.
 */
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
  readonly resolve: (firstOffset: number) => void;
  readonly reject: (error: unknown) => void;
}

/** A block holds what one group commit has, up to about this much. */
const blockBytesMax = 8 * 1024 * 1024;

export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #file: Deno.FsFile;
  #position: number;
  #nextOffset: number;
  #durableOffset: number;
  #pending: PendingAppend[] = [];
  #committing: Promise<void> | undefined;
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
    this.#nextOffset = this.#durableOffset = end.endOffset;
  }

  /** The offset after the last durable record. */
  get durableOffset(): number {
    return this.#durableOffset;
  }

  /** Resolves with the first record's offset when all are durable. */
  append(records: readonly Uint8Array[]): Promise<number> {
    if (this.#broken) return Promise.reject(this.#broken);
    const firstOffset = this.#nextOffset;
    if (records.length === 0) return Promise.resolve(firstOffset);
    this.#nextOffset += records.length;
    return new Promise((resolve, reject) => {
      this.#pending.push({ records, firstOffset, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  async close(): Promise<void> {
    await this.#committing;
    this.#broken ??= new Error(`The log in ${this.#options.directory} is closed`);
    this.#file.close();
  }

  async #commitAll(): Promise<void> {
    await Promise.resolve(); // what else this turn appends joins the first block
    while (this.#pending.length > 0) {
      const appends = this.#pending;
      this.#pending = [];
      try {
        await this.#commit(appends);
      } catch (error) {
        this.#break(appends, error);
        break;
      }
      const last = appends.at(-1)!;
      this.#durableOffset = last.firstOffset + last.records.length;
      this.#options.onDurable(this.#durableOffset);
      for (const append of appends) append.resolve(append.firstOffset);
    }
    this.#committing = undefined;
  }

  async #commit(appends: readonly PendingAppend[]): Promise<void> {
    let records: Uint8Array[] = [];
    let firstOffset = appends[0].firstOffset;
    let bytes = blockHeaderBytes;
    const write = async () => {
      if (this.#position > 0 && this.#position + bytes > this.#options.segmentBytesMax) {
        await this.#roll(firstOffset);
      }
      const block = encodeBlock(firstOffset, records);
      this.#file.seekSync(this.#position, Deno.SeekMode.Start);
      for (let at = 0; at < block.byteLength;) at += this.#file.writeSync(block.subarray(at));
      this.#position += block.byteLength;
      firstOffset += records.length;
      records = [];
      bytes = blockHeaderBytes;
    };
    for (const append of appends) {
      for (const record of append.records) {
        const recordBytes = blockBytes([record]) - blockHeaderBytes;
        if (records.length > 0 && bytes + recordBytes > blockBytesMax) await write();
        records.push(record);
        bytes += recordBytes;
      }
    }
    await write();
    if (this.#options.durability === "disk") await this.#file.syncData();
  }

  async #roll(firstOffset: number): Promise<void> {
    if (this.#options.durability === "disk") await this.#file.syncData();
    const path = segmentPath(this.#options.directory, firstOffset);
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
    for (const append of [...appends, ...this.#pending.splice(0)]) append.reject(this.#broken);
  }
}
