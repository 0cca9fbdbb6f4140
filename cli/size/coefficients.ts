/**
 * Figures of one measurement, from which `cairn size` computes: core time, disk and memory of the
 * parts whose size does not follow from the configuration. `scripts/measure_capacity.ts` writes
 * coefficients.json.
 */
import measured from "./coefficients.json" with { type: "json" };

export interface Coefficients {
  /** Processor and machine of the measurement, in words. */
  readonly processor: string;
  readonly cores: number;
  /** Day of the measurement. */
  readonly date: string;
  readonly command: string;
  /** Load of the machine while it was measured: other work makes core time longer. */
  readonly load: number;
  /** The smallest and the largest number of candidates that were ranked. */
  readonly candidates: readonly number[];
  /** Core time of a ranking: `base + perCandidate · candidates`, microseconds. */
  readonly rankingMicros: number;
  readonly candidateMicros: number;
  /** Core time of an accepted event, and of an example from the join to the replicas. */
  readonly eventMicros: number;
  readonly exampleMicros: number;
  /** Bytes of the event log for a ranking, for each of its candidates and for an event. */
  readonly rankingLogBytes: number;
  readonly candidateLogBytes: number;
  readonly eventLogBytes: number;
  /** Bytes of the example log for an example. */
  readonly exampleLogBytes: number;
  /** Bytes of stored attributes on disk, for one item or user. */
  readonly profileBytes: number;
  /** Resident memory of a process with threads and no rows. */
  readonly processBytes: number;
  /** Resident memory beyond tables and logs that a server takes under load. */
  readonly workingBytes: number;
}

export const coefficients: Coefficients = measured;
