/**
 * How far the trainers have learned, as parameter sync was told last: the acceptance mark of each
 * trainer, and the incarnations of the shards that it is of.
 *
 * Each trainer also names its dealing of the partitions. Marks count only together, and only those
 * of one dealing cover every partition once: a trainer of an earlier one is about to end.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import { present } from "../../structures/invariant.ts";
import { type AcceptanceMark, isSameMark, type TrainerMessage } from "../trainer/protocol.ts";

export interface AcceptanceMarksParts {
  readonly budgetMs: number;
  readonly warnings: LimitedWarnings;
}

/** A trainer's mark with its scope. */
type KnownMark = Required<AcceptanceMark>;

export class AcceptanceMarks {
  readonly #parts: AcceptanceMarksParts;
  readonly #trainers: readonly ActorRef<TrainerMessage>[];
  readonly #dealing: number;
  /** By trainer; undefined before its first answer. */
  readonly #marks: (KnownMark | undefined)[];
  #changes = 0;
  #areNewest = false;

  /** @param trainers All of the dealing. */
  constructor(
    trainers: readonly ActorRef<TrainerMessage>[],
    dealing: number,
    parts: AcceptanceMarksParts,
  ) {
    this.#trainers = trainers;
    this.#dealing = dealing;
    this.#parts = parts;
    this.#marks = trainers.map(() => undefined);
  }

  /** Every decided event accepted up to this wall time is learned, ms; 0 before the first read. */
  get learnedThroughMs(): number {
    return Math.min(...this.#marks.map((mark) => mark?.learnedThroughMs ?? 0));
  }

  /** Grows whenever a read finds that a trainer has learned, or has begun anew. */
  get changes(): number {
    return this.#changes;
  }

  /**
   * Whether the last read has found all marks as they were known: then each trainer tells of its
   * next one.
   */
  get areNewest(): boolean {
    return this.#areNewest;
  }

  /** The incarnation of a shard that all marks are of; undefined where trainers name others. */
  incarnationOf(shard: number): string | undefined {
    const [incarnation, ...others] = this.#marks.map((mark) => mark?.scope.incarnations[shard]);
    return others.every((other) => other === incarnation) ? incarnation : undefined;
  }

  /** Reads the marks, one read at a time. A trainer's last mark remains true until it answers. */
  async read(): Promise<void> {
    const { budgetMs, warnings } = this.#parts;
    this.#areNewest = false;
    const answers = await Promise.all(this.#trainers.map(async (trainer, i) => {
      try {
        const mark = this.#marks[i];
        const known = mark && { known: { ...mark, scope: mark.scope.id } };
        return await trainer.ask({ kind: "getAcceptanceMark", ...known }, { budgetMs });
      } catch (error) {
        const cannot = `cannot read the mark of ${trainer.address}, and freshness does not advance`;
        warnings.warn(cannot, error);
        return undefined;
      }
    }));
    const marks = answers.map((answer, i) => answer && withScope(answer, this.#marks[i]));
    this.#areNewest = marks.every((mark, i) =>
      mark !== undefined && isSameMark(mark, this.#marks[i])
    );
    marks.forEach((mark, i) => {
      if (mark === undefined || mark.scope.dealing !== this.#dealing) return;
      if (!isSameMark(mark, this.#marks[i])) this.#changes++;
      this.#marks[i] = mark;
    });
  }
}

function withScope(mark: AcceptanceMark, before: KnownMark | undefined): KnownMark {
  const scope = mark.scope ?? before?.scope;
  return { ...mark, scope: present(scope, "a trainer leaves out only what the asker knows") };
}
