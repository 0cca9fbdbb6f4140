/**
 * Averages the dense weights of several trainers: every round collects them and returns their mean.
 * Between two rounds each trainer learns alone, from its own partition.
 *
 * The mean is weighted by the examples that each trainer has trained on since the last mean. Steps
 * made while the mean is on its way stay on top of it, and the optimizer's state stays with the
 * trainer. A trainer that does not answer is left out; its steps go into a later round.
 *
 * @see McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
 * AISTATS 2017
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import {
  averageWeights,
  type DenseWeights,
  shapesOf,
  WeightsMismatchError,
} from "../../kernels/dense/weights.ts";
import type { TrainerMessage, WeightOffer } from "../trainer/protocol.ts";

/**
 * The next mean. Its version is the highest offered one, and above the last mean's. What is learned
 * has a version above those that are served, so that scorers take it: trainers that went back to a
 * snapshot offer earlier ones.
 *
 * @param offers At least one.
 * @param last The last mean; undefined before the first.
 * @param served The highest version that a scorer is known to serve; -1 = none.
 * @returns Undefined where no trainer has learned since the last mean.
 */
export function nextMean(
  offers: readonly WeightOffer[],
  last: DenseWeights | undefined,
  served: number,
): DenseWeights | undefined {
  const all = offers.map(({ weights }) => weights);
  const examples = offers.map((offer) => offer.examples);
  const learned = examples.some((count) => count > 0);
  if (!learned) return last === undefined ? averageWeights(all) : undefined;
  const { version, parameters } = averageWeights(all, examples);
  return { version: Math.max(version, served + 1, (last?.version ?? -1) + 1), parameters };
}

export class WeightAveraging {
  readonly #trainers: readonly ActorRef<TrainerMessage>[];
  readonly #budgetMs: number;
  #mean: DenseWeights | undefined;
  /** Whether the mean has what was learned from examples. */
  #isLearned = false;

  constructor(trainers: readonly ActorRef<TrainerMessage>[], budgetMs: number) {
    this.#trainers = trainers;
    this.#budgetMs = budgetMs;
  }

  /** The mean of the last round: the weights to serve. */
  get mean(): DenseWeights | undefined {
    return this.#mean;
  }

  /**
   * Collects the weights, averages them and returns the mean to the trainers.
   *
   * @param served The highest version that a scorer is known to serve; -1 = none.
   * @returns The errors of the trainers that were left out.
   */
  async round(served: number): Promise<readonly Error[]> {
    const budgetMs = this.#budgetMs;
    const absent: Error[] = [];
    const asked = await Promise.all(this.#trainers.map(async (trainer) => {
      try {
        return { trainer, ...await trainer.ask({ kind: "offerWeights" }, { budgetMs }) };
      } catch (error) {
        absent.push(error as Error);
        return undefined;
      }
    }));
    const answered = asked.filter((offer) => offer !== undefined);
    const offers = ofOneModel(answered, this.#mean);
    absent.push(
      ...answered.filter((offer) => !offers.includes(offer)).map(({ trainer }) =>
        new WeightsMismatchError(`${trainer.address} offers weights of another model`)
      ),
    );
    if (offers.length === 0) return absent;
    const mean = nextMean(offers, this.#mean, served);
    if (mean === undefined) {
      this.#raiseAbove(served);
      return absent;
    }
    this.#mean = mean;
    this.#isLearned ||= offers.some(({ examples }) => examples > 0);
    await Promise.all(offers.map(async ({ trainer, weights }) => {
      try {
        const offered = weights.version;
        await trainer.ask({ kind: "adoptMean", mean, offered }, { budgetMs });
      } catch (error) {
        absent.push(error as Error);
      }
    }));
    return absent;
  }

  /** Has scorers take a mean that was made before they told which version they serve. */
  #raiseAbove(served: number): void {
    if (!this.#isLearned || this.#mean === undefined || this.#mean.version >= served) return;
    this.#mean = { ...this.#mean, version: served + 1 };
  }
}

/**
 * The offers of one model: that of the last mean, where a trainer still has it, or that of most
 * trainers.
 */
function ofOneModel<O extends { readonly weights: DenseWeights }>(
  offers: readonly O[],
  last: DenseWeights | undefined,
): readonly O[] {
  const modelOf = (weights: DenseWeights) => JSON.stringify(shapesOf(weights));
  const byModel = Map.groupBy(offers, ({ weights }) => modelOf(weights));
  const known = last && byModel.get(modelOf(last));
  return known ?? [...byModel.values()].sort((a, b) => b.length - a.length).at(0) ?? [];
}
