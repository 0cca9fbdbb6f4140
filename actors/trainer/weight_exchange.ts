/**
 * The trainer's side of averaging dense weights: offers its weights, and adopts the mean that comes
 * back. Steps between the offer and the mean stay on top of the mean.
 */
import {
  type DenseWeights,
  ontoMean,
  requireWeights,
  shapesOf,
} from "../../kernels/dense/weights.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import { present } from "../../structures/invariant.ts";
import type { WeightOffer } from "./protocol.ts";

export class WeightExchange {
  readonly #session: TrainingSession;
  /** The open offer; `examples` counts since the trainer's start. */
  #offered: WeightOffer | undefined;
  /** Examples that are in the last adopted mean. */
  #examplesAveraged = 0;

  constructor(session: TrainingSession) {
    this.#session = session;
  }

  /**
   * Offers the current weights. A new offer replaces an open one.
   *
   * @param examples Trained on since the trainer's start; no batch may be in flight.
   */
  async offer(examples: number): Promise<WeightOffer> {
    const weights = await this.#session.weights();
    this.#offered = { weights, examples };
    return { weights, examples: examples - this.#examplesAveraged };
  }

  /** Whether the open offer is of this version; an offer from before a restart is not. */
  isOpen(version: number): boolean {
    return this.#offered?.weights.version === version;
  }

  /**
   * Loads the mean, plus the steps since the offer. No batch may be in flight.
   *
   * @throws {WeightsMismatchError} The mean is of another model; nothing has changed.
   */
  async adopt(mean: DenseWeights): Promise<void> {
    const { weights, examples } = present(this.#offered, "a mean answers an open offer");
    requireWeights(mean, shapesOf(weights));
    this.#offered = undefined;
    await this.#session.load(ontoMean(mean, weights, await this.#session.weights()));
    this.#examplesAveraged = examples;
  }
}
