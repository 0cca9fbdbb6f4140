/**
 * Reads the kept features of a request from the keepers of its user and its items. A ranking does
 * not fail with a keeper: it goes on without kept features, and that is counted.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import { areAborted } from "../../mesh/runtime/cancel_signal.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import type { SlotValues, ValuesOfItems } from "../../kernels/features/values_of_items.ts";
import {
  type FeatureKeeperMessage,
  type HistoryTimes,
  keeperOf,
  type KeptValues,
} from "../feature_keeper/protocol.ts";
import type { RuleSet } from "../../rules/rule_set.ts";
import { SHOWN } from "../../rules/rule_errors.ts";
import type { Rank } from "./protocol.ts";

/** Kept features of one request. */
export interface Kept {
  /** Attributes of the user, by the name of the feature. */
  readonly user: Readonly<Record<string, number | readonly string[]>>;
  /** `[candidates, FeatureSchema.keptOfItems]`, NaN where absent. */
  readonly items: Float64Array;
  /** By action. */
  readonly histories: Readonly<Record<string, HistoryTimes>>;
}

/** A keeper, and the places of the items that it is asked for among the candidates. */
interface Share {
  readonly keeper: number;
  readonly places: readonly number[];
}

export class KeptReader {
  readonly #keepers: readonly ActorRef<FeatureKeeperMessage>[];
  readonly #budgetMs: number;
  readonly #missing: Counter;
  readonly #byItem: number;
  readonly #width: number;
  readonly #valuesOfItems: Pick<ValuesOfItems, "of"> | undefined;

  /**
   * @param byItem Features by item.
   * @param width Numbers of an item: features by item, and of the user by the values of its slots.
   * @param valuesOfItems Undefined if no feature is by the values of a slot.
   */
  constructor({ keepers, budgetMs, missing, byItem, width, valuesOfItems }: {
    readonly keepers: readonly ActorRef<FeatureKeeperMessage>[];
    readonly budgetMs: number;
    readonly missing: Counter;
    readonly byItem: number;
    readonly width: number;
    readonly valuesOfItems: Pick<ValuesOfItems, "of"> | undefined;
  }) {
    this.#keepers = keepers;
    this.#budgetMs = budgetMs;
    this.#missing = missing;
    this.#byItem = byItem;
    this.#width = width;
    this.#valuesOfItems = valuesOfItems;
  }

  /** Whether there are keepers. */
  get reads(): boolean {
    return this.#keepers.length > 0;
  }

  /**
   * The features at the time of a request; undefined if a keeper does not answer in time, or if the
   * request is cancelled.
   */
  async read(
    { user, candidates, atMs, rules }: Pick<Rank, "user" | "candidates" | "atMs" | "rules">,
    options: AskOptions,
  ): Promise<Kept | undefined> {
    const budgetMs = Math.min(options.budgetMs, this.#budgetMs);
    const ids = candidates.map(({ id }) => id);
    const histories = historiesOf(rules);
    const values = this.#valuesOf(candidates);
    const ofUser = keeperOf(user, this.#keepers.length);
    const shares = this.#sharesOf(ids, ofUser, values !== undefined);
    try {
      const answers = await Promise.all(shares.map(({ keeper, places }) => {
        const items = places.map((place) => ids[place]);
        const message = { kind: "readKept", user, items, atMs, histories } as const;
        return this.#keepers[keeper].ask(
          keeper === ofUser ? { ...message, values } : message,
          { ...options, budgetMs },
        );
      }));
      return this.#merged(ids.length, shares, answers);
    } catch {
      if (!areAborted(options.signals)) this.#missing.add(1);
      return undefined;
    }
  }

  /**
   * The items with the greatest values of a feature, over all keepers that answer in time: the
   * others' items are missing.
   */
  async top(
    { feature, count, atMs }: {
      readonly feature: string;
      readonly count: number;
      readonly atMs: number;
    },
    options: AskOptions,
  ): Promise<string[]> {
    const budgetMs = Math.min(options.budgetMs, this.#budgetMs);
    const message = { kind: "getTop", feature, count, atMs } as const;
    const lists = await Promise.allSettled(
      this.#keepers.map((keeper) => keeper.ask(message, { ...options, budgetMs })),
    );
    const isMissing = lists.some(({ status }) => status === "rejected");
    if (isMissing && !areAborted(options.signals)) this.#missing.add(1);
    return lists
      .flatMap((list) => list.status === "fulfilled" ? [list.value] : [])
      .flatMap(({ items, values }) => items.map((id, i) => ({ id, value: values[i] })))
      .sort((a, b) => b.value - a.value)
      .slice(0, count)
      .map(({ id }) => id);
  }

  /**
   * Deals the user and the items to their keepers. The user's keeper gets all items where it has
   * features of the user for each of them, by their values.
   */
  #sharesOf(ids: readonly string[], ofUser: number | undefined, hasValues: boolean): Share[] {
    const shares = this.#keepers.map((_, keeper) => ({ keeper, places: [] as number[] }));
    ids.forEach((id, place) => {
      const ofItem = this.#byItem > 0 ? keeperOf(id, shares.length) : undefined;
      if (ofItem !== undefined) shares[ofItem].places.push(place);
      if (hasValues && ofUser !== undefined && ofUser !== ofItem) {
        shares[ofUser].places.push(place);
      }
    });
    return shares.filter(({ keeper, places }) => keeper === ofUser || places.length > 0);
  }

  /** Puts the answers together: each user and item is kept by one keeper. */
  #merged(rows: number, shares: readonly Share[], answers: readonly KeptValues[]): Kept {
    const width = this.#width;
    const items = new Float64Array(rows * width).fill(NaN);
    answers.forEach((answer, i) => {
      shares[i].places.forEach((place, row) => {
        for (let column = 0; column < width; column++) {
          const number = answer.items[row * width + column];
          if (!Number.isNaN(number)) items[place * width + column] = number;
        }
      });
    });
    const { user = {}, histories = {} } = answers.find(({ hasUser }) => hasUser) ?? {};
    return { user, items, histories };
  }

  /** Values of slots of the candidates; undefined where no feature reads them. */
  #valuesOf(candidates: Rank["candidates"]): SlotValues | undefined {
    try {
      return candidates.length === 0 ? undefined : this.#valuesOfItems?.of(candidates);
    } catch (error) {
      // The extraction of all features refuses the candidate, with the reason.
      if (error instanceof FeatureTypeError) return undefined;
      throw error;
    }
  }
}

/** Actions whose times the rules read. */
function historiesOf(rules: RuleSet | undefined): string[] {
  const actions = new Set((rules?.exclude ?? []).map(({ what }) => what));
  if (rules?.rotation !== undefined) actions.add(SHOWN);
  return [...actions];
}
