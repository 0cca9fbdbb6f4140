/**
 * Deals the parts of steps to threads as these become free, so that a thread that shares its core
 * with others, such as the trainer's, runs fewer of them.
 */
import {
  allocateInOneBuffer,
  buffersOf,
  copyInputs,
  copyResults,
  type TrainingBatch,
  viewOfRows,
} from "../../../kernels/dense/training_batch.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import { present } from "../../../structures/invariant.ts";
import type { AnswerTo, Part, Question } from "./protocol.ts";

/** A thread that runs parts. */
export interface PartThread {
  ask<Q extends Question>(question: Q, transfer?: Transferable[]): Promise<AnswerTo<Q>>;
}

/** A step whose parts are dealt. */
export interface DealtStep {
  readonly number: number;
  /** With results, which receive those of the parts. */
  readonly batch: TrainingBatch;
  /** First row of each part, ascending. */
  readonly firstRows: readonly number[];
}

/** A step of which parts are missing. */
interface OpenStep extends DealtStep {
  /** Index of the next part to deal. */
  next: number;
  /** Parts that are with a thread. */
  out: number;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Parts that a thread has at most. The leader runs the next one without waiting for this thread; a
 * single helper has a core to share, and gets its next part when it has run one.
 */
const LEADER_PARTS = 2;

export class PartDealer {
  readonly #model: Model;
  /** The leader first. */
  readonly #threads: readonly PartThread[];
  /** By thread, the number of parts that are with it. */
  readonly #out: number[];
  readonly #helperParts: number;
  /** Arrays that have come back. */
  readonly #spare: TrainingBatch[] = [];
  /** In the order of their numbers. */
  #steps: OpenStep[] = [];

  constructor(model: Model, threads: readonly PartThread[]) {
    this.#model = model;
    this.#threads = threads;
    this.#out = threads.map(() => 0);
    this.#helperParts = threads.length > 2 ? LEADER_PARTS : 1;
  }

  /**
   * Resolves when no part of the step is with a thread: all have run, or the step was dropped.
   *
   * @throws {ReplicaError} When a thread failed.
   */
  deal(step: DealtStep): Promise<void> {
    const open = { ...step, next: 0, out: 0, done: Promise.withResolvers<void>() };
    this.#steps.push(open);
    this.#dealOut();
    return open.done.promise;
  }

  /** Deals no further parts of a step. */
  drop(number: number): void {
    const step = this.#steps.find((step) => step.number === number);
    if (step === undefined) return;
    step.next = step.firstRows.length;
    this.#endIfDone(step);
  }

  #dealOut(): void {
    for (;;) {
      const step = this.#steps.find(({ next, firstRows }) => next < firstRows.length);
      const thread = this.#freeThread();
      if (step === undefined || thread === undefined) return;
      this.#send(step, step.next++, thread);
    }
  }

  /** The thread with the fewest parts that may have another. */
  #freeThread(): number | undefined {
    let free: number | undefined;
    for (const [thread, out] of this.#out.entries()) {
      const most = thread === 0 ? LEADER_PARTS : this.#helperParts;
      if (out < most && (free === undefined || out < this.#out[free])) free = thread;
    }
    return free;
  }

  async #send(step: OpenStep, index: number, thread: number): Promise<void> {
    const { number, batch: whole, firstRows } = step;
    const firstRow = firstRows[index];
    const rows = (firstRows[index + 1] ?? whole.rows) - firstRow;
    const view = viewOfRows(whole, firstRow, rows);
    const batch = this.#arraysFor(step);
    copyInputs(view, viewOfRows(batch, 0, rows));
    const share = { firstRow, rowsInAll: whole.rows };
    const part: Part = { kind: "part", number, index, batch, rows, share };
    this.#out[thread]++;
    step.out++;
    try {
      const returned = await this.#threads[thread].ask(part, buffersOf(batch));
      const results = present(viewOfRows(returned, 0, rows).results, "a part returns its results");
      copyResults(results, present(view.results, "a dealt batch has arrays for results"));
      this.#spare.push(returned);
    } catch (error) {
      step.done.reject(error);
    }
    this.#out[thread]--;
    step.out--;
    this.#dealOut();
    this.#endIfDone(step);
  }

  /** Arrays that are large enough for every part of a step, so that all its parts can use them. */
  #arraysFor({ batch, firstRows }: OpenStep): TrainingBatch {
    const spare = this.#spare.pop();
    const sizes = firstRows.map((first, part) => (firstRows[part + 1] ?? batch.rows) - first);
    const rows = Math.max(...sizes);
    return spare !== undefined && spare.rows >= rows
      ? spare
      : allocateInOneBuffer(this.#model, rows);
  }

  #endIfDone(step: OpenStep): void {
    if (step.out > 0 || step.next < step.firstRows.length) return;
    this.#steps = this.#steps.filter((other) => other !== step);
    step.done.resolve();
  }
}
