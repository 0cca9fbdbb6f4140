/**
 * The ends of a log that the threads of a simulated process share: a reader hears of a new end in a
 * turn of its own thread.
 */
import type { LogEnds } from "../../mesh/adapters/embedded/log_ends.ts";
import type { Clock } from "../../mesh/ports/clock.ts";

/** Shared by the threads of one incarnation. */
export class SimulatedLogMemory {
  readonly ends: number[];
  readonly #followers: Set<() => void>[];

  constructor(partitions: number) {
    this.ends = Array.from({ length: partitions }, () => 0);
    this.#followers = this.ends.map(() => new Set());
  }

  store(partition: number, end: number): void {
    this.ends[partition] = end;
    for (const tell of this.#followers[partition]) tell();
  }

  follow(partition: number, tell: () => void): () => void {
    this.#followers[partition].add(tell);
    return () => void this.#followers[partition].delete(tell);
  }
}

/** The ends as one thread sees them. */
export class SimulatedLogEnds implements LogEnds {
  constructor(readonly memory: SimulatedLogMemory, readonly clock: Clock) {}

  load(partition: number): number {
    return this.memory.ends[partition];
  }

  store(partition: number, end: number): void {
    this.memory.store(partition, end);
  }

  follow(partition: number, listener: (end: number) => void): () => void {
    const tell = () => void this.clock.schedule(0, () => listener(this.load(partition)));
    tell();
    return this.memory.follow(partition, tell);
  }
}
