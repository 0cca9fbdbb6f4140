/**
 * Trims the part of the example log that no restart would read.
 */
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { SnapshotManifest } from "../../records/snapshot_manifest.ts";

const CONSUMER = "snapshotter";

export class ExampleTrimmer {
  readonly #exampleLog: EventLog;

  constructor(exampleLog: EventLog) {
    this.#exampleLog = exampleLog;
  }

  /** Trims up to the chunk before the lowest cut of these snapshots. */
  async trimBefore(retained: readonly SnapshotManifest[]): Promise<void> {
    // The minimum, not the oldest cut's offsets: a newer cut can lie before it, where a shard
    // crashed after its part was written and the trainer went back.
    const floors = new Map<number, number>();
    for (const { partition, offset } of retained.flatMap(({ trainers }) => trainers)) {
      floors.set(partition, Math.min(offset, floors.get(partition) ?? Infinity));
    }
    // A snapshot from before a partition was added goes on at its beginning.
    for (const partition of floors.keys()) {
      const hasPart = ({ trainers }: SnapshotManifest) =>
        trainers.some((part) => part.partition === partition);
      if (!retained.every(hasPart)) floors.delete(partition);
    }
    // The chunk before a cut stays: a restore compares it with the snapshot's.
    for (const [partition, offset] of floors) await this.trim(partition, offset - 1);
  }

  /** Trims the records before `offset`, but never the last one of the partition. */
  async trim(partition: number, offset: number): Promise<void> {
    // The joiner resumes from the position in the last record.
    const end = await this.#exampleLog.endOffset(partition);
    const floor = Math.min(offset, end - 1);
    if (floor <= 0) return;
    await this.#exampleLog.trim(partition, floor);
    await this.#exampleLog.commitOffset(CONSUMER, partition, floor);
  }
}
