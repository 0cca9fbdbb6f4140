/**
 * The partitions of a log in Redis that this process knows of: the server tells of others when it
 * refuses an append to a sealed one.
 */
import { type LogExtent, partitionOf } from "../../ports/event_log.ts";

export class KnownPartitions<P> {
  readonly #make: (partition: number) => P;
  readonly #partitions: P[] = [];
  #extent: LogExtent = { firstPartition: 0, partitions: 0 };

  /** @param make Makes the parts of a partition, at most once. */
  constructor(make: (partition: number) => P) {
    this.#make = make;
  }

  get extent(): LogExtent {
    return this.#extent;
  }

  get all(): readonly P[] {
    return this.#partitions;
  }

  /** Partitions that take no records any more. */
  get sealed(): readonly P[] {
    return this.#partitions.slice(0, this.#extent.firstPartition);
  }

  /** Partitions that take records. */
  get open(): readonly P[] {
    return this.#partitions.slice(this.#extent.firstPartition);
  }

  /** @throws {RangeError} When there is no such partition. */
  of(partition: number): P {
    return partitionOf(this.#partitions, partition);
  }

  /** Takes an extent of which the server has told: neither of its numbers goes back. */
  adopt({ firstPartition, partitions }: LogExtent): void {
    this.#extent = {
      firstPartition: Math.max(firstPartition, this.#extent.firstPartition),
      partitions: Math.max(partitions, this.#extent.partitions),
    };
    while (this.#partitions.length < this.#extent.partitions) {
      this.#partitions.push(this.#make(this.#partitions.length));
    }
  }
}
