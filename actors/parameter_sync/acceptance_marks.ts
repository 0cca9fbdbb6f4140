/**
 * How far the trainers have learned, as parameter sync was told last: the acceptance mark of each
 * trainer, and the incarnations of the shards that it is of.
 *
 * Each trainer also names its dealing of the partitions, with all trainers of that dealing. The
 * newest one is followed: marks count only together, and only those of one dealing cover every
 * partition once.
 */
import type { ActorContext, ActorRef } from "../../mesh/runtime/actor.ts";
import type { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import { invariant, present } from "../../structures/invariant.ts";
import {
  type AcceptanceMark,
  type Dealing,
  isSameMark,
  type TrainerMessage,
} from "../trainer/protocol.ts";
import type { ParameterSyncMessage } from "./protocol.ts";

export interface AcceptanceMarksParts {
  readonly context: Pick<ActorContext<ParameterSyncMessage>, "actorRef">;
  readonly budgetMs: number;
  readonly warnings: LimitedWarnings;
}

/** A trainer's mark with its scope. */
type KnownMark = Required<AcceptanceMark>;

export class AcceptanceMarks {
  readonly #parts: AcceptanceMarksParts;
  /** Number of the dealing of {@link #trainers}; undefined before a trainer has answered. */
  #dealing: number | undefined;
  #trainers: readonly ActorRef<TrainerMessage>[] = [];
  /** By trainer; undefined before its first answer. */
  #marks: (KnownMark | undefined)[] = [];
  #changes = 0;
  #areNewest = false;

  /** @param trainers At least one of each later dealing. */
  constructor(trainers: Dealing["trainers"], parts: AcceptanceMarksParts) {
    this.#parts = parts;
    this.#take(trainers);
  }

  /** The trainers of the newest dealing that is known; the same array until there is another. */
  get trainers(): readonly ActorRef<TrainerMessage>[] {
    return this.#trainers;
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
    const asked = this.#trainers;
    this.#areNewest = false;
    const answers = await Promise.all(asked.map(async (trainer, i) => {
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
    for (const mark of marks) if (mark !== undefined) this.#follow(mark.scope.dealing);
    if (this.#trainers !== asked) return; // the next read asks all trainers of the newer dealing
    this.#areNewest = marks.every((mark, i) =>
      mark !== undefined && isSameMark(mark, this.#marks[i])
    );
    marks.forEach((mark, i) => {
      // A trainer of an earlier dealing has other partitions, and is about to end.
      if (mark === undefined || mark.scope.dealing.number !== this.#dealing) return;
      if (!isSameMark(mark, this.#marks[i])) this.#changes++;
      this.#marks[i] = mark;
    });
  }

  #follow({ number, trainers }: Dealing): void {
    if (number <= (this.#dealing ?? -1)) return;
    const isFirst = this.#dealing === undefined;
    this.#dealing = number;
    const isKnown = trainers.length === this.#trainers.length &&
      trainers.every((address, i) => address === this.#trainers[i].address);
    if (!isFirst || !isKnown) this.#take(trainers);
  }

  #take(trainers: Dealing["trainers"]): void {
    invariant(trainers.length > 0, "a mesh that learns has a trainer");
    this.#trainers = trainers.map((address) => this.#parts.context.actorRef(address));
    this.#marks = trainers.map(() => undefined);
    this.#changes++;
  }
}

function withScope(mark: AcceptanceMark, before: KnownMark | undefined): KnownMark {
  const scope = mark.scope ?? before?.scope;
  return { ...mark, scope: present(scope, "a trainer leaves out only what the asker knows") };
}
