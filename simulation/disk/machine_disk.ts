/**
 * The disk of a simulated machine, with witnesses of all that is durable on it.
 */
import { type BlobObserver, BlobWitness } from "./blob_witness.ts";
import type { ByteTotal, FileContent } from "./file_content.ts";
import { type LogObserver, LogWitness } from "./log_witness.ts";
import { SimulatedDisk } from "./simulated_disk.ts";

/** The data directory; its lock needs no file, because one process runs at a time. */
export const DATA_DIRECTORY = "/simulated";

/** Observes all that a disk keeps. */
export interface MachineDiskObserver extends LogObserver, BlobObserver {
  /** A power failure took unsynced operations. */
  lost(operations: number): void;
}

const SEGMENT = new RegExp(`^${DATA_DIRECTORY}/([^/]+)/.*\\.segment$`);

/** A disk and its witnesses. */
export class MachineDisk extends SimulatedDisk {
  readonly logs: LogWitness;
  /** Bytes of the segments, by log. */
  readonly #totals = new Map<string, ByteTotal>();

  constructor(observer: MachineDiskObserver) {
    const logs = new LogWitness(observer);
    const blobs = new BlobWitness(observer);
    super({
      made: (path, content) => this.#count(path, content),
      synced: (path, content) => logs.synced(path, content),
      renamed: (path, content) => {
        this.#count(path, content);
        logs.renamed(path, content);
        blobs.renamed(path, content);
      },
      removed: (path, content) => {
        content.countIn(undefined);
        blobs.removed(path);
      },
      powerLost: (operations) => {
        this.#totals.clear();
        for (const [path, content] of this.files()) this.#count(path, content);
        blobs.powerLost(this.files());
        observer.lost(operations);
      },
    });
    this.logs = logs;
  }

  /** Bytes of a log's segments. */
  logBytes(log: string): number {
    return this.#totals.get(log)?.bytes ?? 0;
  }

  #count(path: string, content: FileContent): void {
    const log = SEGMENT.exec(path)?.[1];
    if (log === undefined) return content.countIn(undefined);
    let total = this.#totals.get(log);
    if (total === undefined) this.#totals.set(log, total = { bytes: 0 });
    content.countIn(total);
  }
}
