/**
 * All that outlives a simulated process: both logs and the blobs.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import { LogMedium, type LogObserver } from "./log_medium.ts";
import { BlobMedium, type BlobObserver } from "./world_blobs.ts";

/** The event log has one joiner. */
const EVENT_PARTITIONS = 1;

/** The disk of a simulated machine. */
export class Disk {
  readonly events: LogMedium;
  readonly examples: LogMedium;
  readonly blobs: BlobMedium;

  constructor(configuration: CairnConfiguration, observer: LogObserver & BlobObserver) {
    const { trainerCount, storage } = configuration;
    this.events = new LogMedium("events", EVENT_PARTITIONS, storage.logBytesMax, observer);
    this.examples = new LogMedium("examples", trainerCount, storage.logBytesMax, observer);
    this.blobs = new BlobMedium(observer);
  }

  /**
   * A process with another configuration finds the same files. The number of trainers cannot
   * change.
   */
  reopen(configuration: CairnConfiguration): void {
    if (configuration.trainerCount === this.examples.partitions.length) return;
    throw new Error("a data directory keeps its number of trainers");
  }

  /**
   * @param kept Draws the unsynced records that survive a power failure; undefined where only the
   * process died.
   */
  crash(kept: KeyedHash | undefined, number: number): void {
    this.events.crash(kept, 2 * number);
    this.examples.crash(kept, 2 * number + 1);
  }

  /** Takes writes again. */
  heal(): void {
    this.events.refusedUntilMs = 0;
    this.examples.refusedUntilMs = 0;
    this.blobs.refusedUntilMs = 0;
  }
}
