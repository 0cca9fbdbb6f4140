/**
 * Reads the kept features of a request from all keepers. A ranking does not fail with a keeper: it
 * goes on without kept features, and that is counted.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import type { SlotValues, ValuesOfItems } from "../../kernels/features/values_of_items.ts";
import type { FeatureKeeperMessage, HistoryTimes, KeptValues } from "../feature_keeper/protocol.ts";
import type { RuleSet } from "../../rules/rule_set.ts";
import { SHOWN } from "../../rules/rule_errors.ts";
import type { Rank } from "./protocol.ts";

/** Kept features of one request. */
export interface Kept {
  /** Attributes of the user, by the name of the feature. */
  readonly user: Readonly<Record<string, number | readonly string[]>>;
  /** `[candidates, features by item]`, NaN where absent. */
  readonly items: Float64Array;
  /** By action. */
  readonly histories: Readonly<Record<string, HistoryTimes>>;
}

export class KeptReader {
  readonly #keepers: readonly ActorRef<FeatureKeeperMessage>[];
  readonly #budgetMs: number;
  readonly #missing: Counter;
  readonly #valuesOfItems: ValuesOfItems | undefined;

  /** @param valuesOfItems Undefined if no feature is by the values of a slot. */
  constructor({ keepers, budgetMs, missing, valuesOfItems }: {
    readonly keepers: readonly ActorRef<FeatureKeeperMessage>[];
    readonly budgetMs: number;
    readonly missing: Counter;
    readonly valuesOfItems: ValuesOfItems | undefined;
  }) {
    this.#keepers = keepers;
    this.#budgetMs = budgetMs;
    this.#missing = missing;
    this.#valuesOfItems = valuesOfItems;
  }

  /** Whether there are keepers. */
  get reads(): boolean {
    return this.#keepers.length > 0;
  }

  /** The features at the time of a request; undefined if a keeper does not answer in time. */
  async read(
    { user, candidates, atMs, rules }: Pick<Rank, "user" | "candidates" | "atMs" | "rules">,
    options: AskOptions,
  ): Promise<Kept | undefined> {
    const budgetMs = Math.min(options.budgetMs, this.#budgetMs);
    const items = candidates.map(({ id }) => id);
    const histories = historiesOf(rules);
    const values = this.#valuesOf(candidates);
    try {
      const message = { kind: "readKept", user, items, atMs, histories, values } as const;
      return merged(
        await Promise.all(
          this.#keepers.map((keeper) => keeper.ask(message, { ...options, budgetMs })),
        ),
      );
    } catch {
      this.#missing.add(1);
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
    if (lists.some(({ status }) => status === "rejected")) this.#missing.add(1);
    return lists
      .flatMap((list) => list.status === "fulfilled" ? [list.value] : [])
      .flatMap(({ items, values }) => items.map((id, i) => ({ id, value: values[i] })))
      .sort((a, b) => b.value - a.value)
      .slice(0, count)
      .map(({ id }) => id);
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

/** Each user and item is kept by one keeper. */
function merged(values: readonly KeptValues[]): Kept {
  const [first, ...rest] = values;
  const { items } = first;
  for (const other of rest) {
    for (let i = 0; i < items.length; i++) if (Number.isNaN(items[i])) items[i] = other.items[i];
  }
  const { user, histories } = values.find(({ hasUser }) => hasUser) ?? first;
  return { user, items, histories };
}
