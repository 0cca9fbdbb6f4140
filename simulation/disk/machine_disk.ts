/**
 * The disk of a simulated machine, with witnesses of all that is durable on it.
 */
import { type BlobObserver, BlobWitness } from "./blob_witness.ts";
import { type LogObserver, LogWitness } from "./log_witness.ts";
import { SimulatedDisk } from "./simulated_disk.ts";

/** The data directory; its lock needs no file, because one process runs at a time. */
export const DATA_DIRECTORY = "/simulated";

/** Observes all that a disk keeps. */
export interface MachineDiskObserver extends LogObserver, BlobObserver {
  /** A power failure took unsynced operations. */
  lost(operations: number): void;
}

/** A disk and its witnesses. */
export class MachineDisk extends SimulatedDisk {
  readonly logs: LogWitness;

  constructor(observer: MachineDiskObserver) {
    const logs = new LogWitness(observer);
    const blobs = new BlobWitness(observer);
    super({
      synced: (path, content) => logs.synced(path, content),
      renamed(path, content) {
        logs.renamed(path, content);
        blobs.renamed(path, content);
      },
      removed: (path) => blobs.removed(path),
      powerLost: (operations) => {
        blobs.powerLost(this.files());
        observer.lost(operations);
      },
    });
    this.logs = logs;
  }

  /** Bytes of a log's segments. */
  logBytes(log: string): number {
    let bytes = 0;
    for (const [path, { cached }] of this.files()) {
      if (path.startsWith(`${DATA_DIRECTORY}/${log}/`) && path.endsWith(".segment")) {
        bytes += cached.byteLength;
      }
    }
    return bytes;
  }
}
