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
import { invariant } from "../../structures/invariant.ts";
import type { Dealing, TrainerMessage, TrainerStatus } from "../trainer/protocol.ts";
import type { ParameterSyncMessage } from "./protocol.ts";

export interface AcceptanceMarksParts {
  readonly context: Pick<ActorContext<ParameterSyncMessage>, "actorRef">;
  readonly budgetMs: number;
  readonly warnings: LimitedWarnings;
}

export class AcceptanceMarks {
  readonly #parts: AcceptanceMarksParts;
  /** Number of the dealing of {@link #trainers}; undefined before a trainer has answered. */
  #dealing: number | undefined;
  #trainers: readonly ActorRef<TrainerMessage>[] = [];
  #statuses: (TrainerStatus | undefined)[] = [];
  #changes = 0;

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
    return Math.min(...this.#statuses.map((status) => status?.learnedThroughMs ?? 0));
  }

  /** Grows whenever a read finds that a trainer has learned, or has begun anew. */
  get changes(): number {
    return this.#changes;
  }

  /** The incarnation of a shard that all marks are of; undefined where trainers name others. */
  incarnationOf(shard: number): string | undefined {
    const [incarnation, ...others] = this.#statuses.map((status) => status?.incarnations[shard]);
    return others.every((other) => other === incarnation) ? incarnation : undefined;
  }

  /** Reads the marks. The last one of a trainer that does not answer remains true. */
  async read(): Promise<void> {
    const { budgetMs, warnings } = this.#parts;
    const asked = this.#trainers;
    const answers = await Promise.all(asked.map(async (trainer) => {
      try {
        return await trainer.ask({ kind: "getStatus" }, { budgetMs });
      } catch (error) {
        const cannot =
          `cannot read the status of ${trainer.address}, and freshness does not advance`;
        warnings.warn(cannot, error);
        return undefined;
      }
    }));
    for (const status of answers) if (status !== undefined) this.#follow(status.dealing);
    if (this.#trainers !== asked) return; // the next read asks all trainers of the newer dealing
    answers.forEach((status, i) => {
      // A trainer of an earlier dealing has other partitions, and is about to end.
      if (status === undefined || status.dealing.number !== this.#dealing) return;
      if (!isSame(status, this.#statuses[i])) this.#changes++;
      this.#statuses[i] = status;
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
    this.#statuses = trainers.map(() => undefined);
    this.#changes++;
  }
}

/** Whether the trainer has learned nothing between two statuses. */
function isSame(now: TrainerStatus, before: TrainerStatus | undefined): boolean {
  return before !== undefined && now.steps === before.steps &&
    now.offsets.every(({ offset }, i) => offset === before.offsets[i]?.offset) &&
    now.learnedThroughMs === before.learnedThroughMs &&
    now.incarnations.length === before.incarnations.length &&
    now.incarnations.every((incarnation, shard) => incarnation === before.incarnations[shard]);
}
