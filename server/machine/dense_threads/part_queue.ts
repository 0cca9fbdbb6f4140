/**
 * The parts that wait in a thread until their step begins.
 */
import { invariant } from "../../../structures/invariant.ts";
import type { TrainingBatch } from "../../../kernels/dense/training_batch.ts";
import type { Part } from "./protocol.ts";

/** A part taken from the queue, to be settled with its arrays. */
export interface WaitingPart {
  readonly part: Part;
  resolve(batch: TrainingBatch): void;
  reject(error: unknown): void;
}

export class PartQueue {
  /** In the order of arrival, which is that of their steps. */
  readonly #waiting: WaitingPart[] = [];
  /** Parts of steps up to this number are returned as they are. */
  #ended = 0;

  /** Resolves with the part's arrays when it has run, or when its step was ended before. */
  add(part: Part): Promise<TrainingBatch> {
    if (part.number <= this.#ended) return Promise.resolve(part.batch);
    const newest = this.#waiting.at(-1)?.part.number ?? 0;
    invariant(part.number >= newest, "parts arrive in the order of their steps");
    return new Promise((resolve, reject) => this.#waiting.push({ part, resolve, reject }));
  }

  /** The oldest part of a step, which is no longer in the queue then. */
  take(number: number): WaitingPart | undefined {
    return this.#waiting[0]?.part.number === number ? this.#waiting.shift() : undefined;
  }

  /** Returns the parts of steps up to `number`, those that wait and those that arrive later. */
  end(number: number): void {
    this.#ended = Math.max(this.#ended, number);
    while (this.#waiting.length > 0 && this.#waiting[0].part.number <= number) {
      const { part, resolve } = this.#waiting.splice(0, 1)[0];
      resolve(part.batch);
    }
  }
}
