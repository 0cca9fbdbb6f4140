/**
 * Averaging the trainers' dense weights loses no step.
 *
 *     ∀ mean m that trainer t adopts for its offer o, and the next offer o' of t:
 *         version(o') ≥ version(m) + batches that t has learned between o and o'
 *         where that is none:  weights(o') = weights(m), bit by bit
 *     ∀ mean:  each weight lies between the least and the greatest of the newest offers of each
 *              trainer, two from each of the two hosts that offered last in a mesh; a running
 *              variance of batch normalisation is greater by the variance of the offers' means,
 *              which is at most ¼ · (greatest mean − least mean)²
 *
 * A batch is learned when a shard has answered its gradients. An incarnation begins with neither
 * offer nor mean of its own; a mean may still have the newest offer of the incarnation before. In a
 * mesh a trainer is that of the host on which it began last; an earlier one may go on for a while,
 * and a mean may have its offers. So may parameter sync, which moves with the first trainer: both
 * ask the same trainers then, each for its own mean.
 */
import type { ApplyGradients } from "../../actors/embedding_shard/protocol.ts";
import type { TrainerOptions } from "../../actors/trainer/options.ts";
import type { AdoptMean, WeightOffer } from "../../actors/trainer/protocol.ts";
import { meanOfVariance } from "../../kernels/dense/models/normalization.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { messageCopy } from "../world/message_copy.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { TrainersOfSources } from "./trainers_of_sources.ts";

const TRAINER = "trainer/";
const SHARD = "embedding_shard/";
/** Rounding of a mean to float32, relative to the weights. */
const ROUNDING = 1e-5;

/** One trainer's part in the averaging. */
interface Averaged {
  readonly host: string | undefined;
  /** The mean that was adopted for the last offer. */
  adopted: DenseWeights | undefined;
  /** Source and sequence of each batch whose gradients a shard has answered since the offer. */
  readonly learned: Set<string>;
}

export function averagedWeights(context: CheckerContext): Checker {
  const trainers = new Map<Address, Averaged>();
  const senders = new TrainersOfSources<Averaged>();
  const offers = new NewestOffers();
  return {
    name: "averaged-weights",
    processBegan(host) {
      for (const [trainer, state] of trainers) if (state.host === host) trainers.delete(trainer);
      if (host === undefined) offers.clear();
    },
    began(actor, host, options) {
      if (!actor.startsWith(TRAINER)) return;
      const state: Averaged = { host, adopted: undefined, learned: new Set() };
      trainers.set(actor, state);
      senders.add(options as TrainerOptions, state);
    },
    answers(actor, request, value, host) {
      if (actor.startsWith(SHARD) && request.kind === "applyGradients") {
        const gradients = request as ApplyGradients;
        senders.of(gradients)?.learned.add(`${gradients.source} ${gradients.sequence}`);
      } else if (actor.startsWith(TRAINER) && request.kind === "offerWeights") {
        const { weights } = value as WeightOffer;
        offers.add(actor, host, messageCopy(weights));
        const state = trainers.get(actor);
        if (state === undefined || state.host !== host) return;
        const problem = problemOf(state, weights);
        if (problem !== undefined) context.fail(`${actor} ${problem}`);
        state.adopted = undefined;
        state.learned.clear();
      } else if (actor.startsWith(TRAINER) && request.kind === "adoptMean") {
        if (!(value as { readonly adopted: boolean }).adopted) return;
        const state = trainers.get(actor);
        if (state === undefined || state.host !== host) return;
        state.adopted = messageCopy((request as AdoptMean).mean);
      }
    },
    handles(actor, message) {
      if (!actor.startsWith(TRAINER) || message.kind !== "adoptMean") return;
      const name = outlierOf((message as AdoptMean).mean, offers.all());
      if (name !== undefined) context.fail(`the mean's ${name} is not between the offers'`);
    },
  };
}

/** Hosts of a trainer whose newest offers may be in a mean: its present one and the one before. */
const HOSTS_MAX = 2;
/** Newest offers of a host that may be in a mean: one for each host of parameter sync. */
const OFFERS_MAX = 2;

/** The newest offers of each trainer, also after its restart. */
class NewestOffers {
  /** By trainer and host; the host that offered last is the last one. */
  readonly #offers = new Map<Address, Map<string | undefined, readonly DenseWeights[]>>();

  add(trainer: Address, host: string | undefined, weights: DenseWeights): void {
    const byHost = this.#offers.get(trainer) ?? new Map();
    this.#offers.set(trainer, byHost);
    const earlier = host === undefined ? [] : byHost.get(host)?.slice(-OFFERS_MAX + 1) ?? [];
    byHost.delete(host);
    byHost.set(host, [...earlier, weights]);
    const [first] = byHost.keys();
    if (byHost.size > HOSTS_MAX) byHost.delete(first);
  }

  all(): DenseWeights[] {
    return [...this.#offers.values()].flatMap((byHost) => [...byHost.values()].flat());
  }

  clear(): void {
    this.#offers.clear();
  }
}

/** A step that the next offer lacks, in words. */
function problemOf({ adopted, learned }: Averaged, next: DenseWeights): string | undefined {
  if (adopted === undefined) return undefined;
  const version = adopted.version + learned.size;
  if (next.version < version) {
    return `offers version ${next.version}, after the mean of version ${adopted.version} and ` +
      `${learned.size} batches`;
  }
  if (next.version > adopted.version) return undefined;
  for (const [name, { data }] of Object.entries(adopted.parameters)) {
    const now = next.parameters[name].data;
    if (data.some((weight, i) => !Object.is(weight, now[i]))) {
      return `has learned nothing since the mean, and its ${name} differs`;
    }
  }
  return undefined;
}

/** A parameter of the mean with a weight outside the offers'; undefined where there is none. */
function outlierOf(mean: DenseWeights, offers: readonly DenseWeights[]): string | undefined {
  for (const [name, { data }] of Object.entries(mean.parameters)) {
    const running = meanOfVariance(name);
    const isOut = data.some((weight, i) => {
      const offered = (of: string) => offers.map(({ parameters }) => parameters[of].data[i]);
      const weights = offered(name);
      const apart = running === undefined ? 0 : spreadOf(offered(running));
      const slack = ROUNDING * Math.max(...weights.map(Math.abs), apart ** 2, 1e-30);
      return weight < Math.min(...weights) - slack ||
        weight > Math.max(...weights) + apart ** 2 / 4 + slack;
    });
    if (isOut) return name;
  }
  return undefined;
}

function spreadOf(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values);
}
