/**
 * The sources of gradients of a shard, one for each partition: the high-water mark of each, so that
 * every batch is applied once, and its current opening, so that an earlier one changes nothing.
 */
import {
  type BeginSnapshot,
  type LearnedChunk,
  ShardRestartedError,
  type SourceMark,
  type SourceOpening,
} from "./protocol.ts";

/** Marks and openings as they move with a shard. */
export interface SourcesState {
  readonly marks: readonly (readonly [source: string, sequence: number])[];
  readonly chunks: readonly (readonly [source: string, chunk: LearnedChunk])[];
  readonly epochs: readonly (readonly [source: string, epoch: number])[];
}

/** A shard that no source has reached. */
export const NO_SOURCES: SourcesState = { marks: [], chunks: [], epochs: [] };

export class Sources {
  readonly #shard: number;
  readonly #incarnation: string;
  /** The newest sequence applied, by source. */
  readonly #marks: Map<string, number>;
  /** The chunk of the newest gradients, by source. */
  readonly #chunks: Map<string, LearnedChunk>;
  /** Number of the current opening, by source. */
  readonly #epochs: Map<string, number>;

  constructor(shard: number, incarnation: string, { marks, chunks, epochs }: SourcesState) {
    this.#shard = shard;
    this.#incarnation = incarnation;
    this.#marks = new Map(marks);
    this.#chunks = new Map(chunks);
    this.#epochs = new Map(epochs);
  }

  get state(): SourcesState {
    return { marks: [...this.#marks], chunks: [...this.#chunks], epochs: [...this.#epochs] };
  }

  /** The high-water mark of a source, 0 before its first gradients. */
  highWaterMarkOf(source: string): number {
    return this.#marks.get(source) ?? 0;
  }

  /** How far a source is learned. */
  markOf(source: string): SourceMark {
    return { sequence: this.highWaterMarkOf(source), chunk: this.#chunks.get(source) };
  }

  /** Gradients of a chunk, or removals, up to `sequence` are applied. */
  raiseHighWaterMark(source: string, sequence: number, chunk?: LearnedChunk): void {
    this.#marks.set(source, sequence);
    if (chunk !== undefined) this.#chunks.set(source, chunk);
  }

  /**
   * Begins an opening of a source, which ends the earlier ones.
   *
   * @throws {SourceTakenError} A later tenure has the source.
   */
  open(source: string, tenure: number): SourceOpening {
    const before = this.#epochs.get(source) ?? 0;
    if (tenureOf(before) > tenure) {
      throw new SourceTakenError(this.#shard, source, tenure, tenureOf(before));
    }
    const epoch = Math.max(before + 1, firstOpeningOf(tenure));
    this.#epochs.set(source, epoch);
    return { incarnation: this.#incarnation, epoch };
  }

  /** Why messages under this opening are refused; undefined where it is the current one. */
  refusalOf(source: string, { incarnation, epoch }: SourceOpening): Error | undefined {
    const shard = this.#shard;
    if (incarnation !== this.#incarnation) return new ShardRestartedError(shard);
    if (epoch !== this.#epochs.get(source)) return new SourceReopenedError(shard, source);
    return undefined;
  }

  /** Raises the marks to a cut; an error, and no change, where the shard has passed it. */
  cut(marks: BeginSnapshot["marks"]): Error | undefined {
    for (const { source, sequence, opening } of marks) {
      const applied = this.highWaterMarkOf(source);
      const refusal = this.refusalOf(source, opening) ??
        (applied > sequence
          ? new CutPassedError(this.#shard, source, applied, sequence)
          : undefined);
      if (refusal !== undefined) return refusal;
    }
    for (const { source, sequence } of marks) this.#marks.set(source, sequence);
    return undefined;
  }
}

/** Openings of one tenure. */
const OPENINGS_PER_TENURE = 2 ** 20;

/** The number of the first opening of a tenure. */
function firstOpeningOf(tenure: number): number {
  return tenure * OPENINGS_PER_TENURE + 1;
}

/** The tenure of an opening, by the opening's number. */
export function tenureOf(opening: number): number {
  return Math.floor(opening / OPENINGS_PER_TENURE);
}

/** A trainer with a later right to the partition has opened the source: the sender must stop. */
class SourceTakenError extends Error {
  override readonly name = "SourceTakenError";
  constructor(shard: number, source: string, tenure: number, taken: number) {
    super(
      `embedding_shard/${shard} takes nothing from ${source} of tenure ${tenure}: the one of ` +
        `tenure ${taken} has its partition.`,
    );
  }
}

/** The source was opened again: the sender's opening, and every message under it, has ended. */
class SourceReopenedError extends Error {
  override readonly name = "SourceReopenedError";
  constructor(shard: number, source: string) {
    super(
      `embedding_shard/${shard} takes nothing more of this opening of ${source}: it was opened ` +
        "again since.",
    );
  }
}

/** The shard has applied gradients beyond the cut: its rows do not belong to the cut. */
class CutPassedError extends Error {
  override readonly name = "CutPassedError";
  constructor(shard: number, source: string, applied: number, cut: number) {
    super(
      `Cannot cut at row ${cut} of ${source}: embedding_shard/${shard} has applied ${applied} ` +
        "rows. The trainer learns them again after its restart; take the snapshot then.",
    );
  }
}
