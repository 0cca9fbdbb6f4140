/**
 * The features that the server keeps, for the rows of a dataset in order of time: each row has
 * those of the rows before it, as if each request had been ranked and its actions posted.
 */
import { KeptState } from "../../actors/feature_keeper/kept_state.ts";
import { type FeatureKeeperOptions, keptSlots } from "../../actors/feature_keeper/options.ts";
import type { KeptValues } from "../../actors/feature_keeper/protocol.ts";
import { type SlotValues, ValuesOfItems } from "../../kernels/features/values_of_items.ts";
import type { FeatureItem } from "../../kernels/features/feature_request.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import type { Dataset } from "./dataset.ts";

/** The rows of one request. */
export interface KeptRows {
  readonly user: string;
  readonly items: readonly FeatureItem[];
  readonly atMs: number;
  /** By item. */
  readonly actions: readonly {
    readonly action: string;
    /** NaN = none. */
    readonly value: number;
  }[];
}

export class KeptOfRows {
  readonly #state: KeptState;
  readonly #valuesOfItems: ValuesOfItems | undefined;
  /** Values of the items that were read last. */
  #values: SlotValues | undefined;
  #requests = 0;

  constructor(
    options: Omit<FeatureKeeperOptions, "shard">,
    schema: FeatureSchema,
    { items }: Pick<Dataset, "items">,
  ) {
    this.#state = new KeptState({ ...options, shard: 0, shards: 1 });
    const slots = keptSlots(options.features);
    this.#valuesOfItems = slots.length === 0
      ? undefined
      : new ValuesOfItems(slots, schema, (ids) => ids.map((id) => items.get(id)));
  }

  read(user: string, items: readonly FeatureItem[], atMs: number): KeptValues {
    this.#values = this.#valuesOfItems?.of(items);
    const ids = items.map(({ id }) => id);
    return this.#state.read(user, ids, atMs, { histories: [], values: this.#values });
  }

  /** Takes the request that was read last, and its actions. */
  take({ user, items, atMs, actions }: KeptRows): void {
    const rankingId = String(this.#requests++);
    this.#state.takeRanking({
      rankingId,
      user,
      items: items.map(({ id }) => id),
      values: this.#values && listsOf(this.#values, items.length),
      atMs,
    });
    actions.forEach(({ action, value }, i) => {
      this.#state.takeAction({
        eventId: `${rankingId}/${i}`,
        rankingId,
        item: items[i].id,
        action,
        ...(!Number.isNaN(value) && { value }),
        atMs,
      });
    });
  }
}

/** The values by item and slot. */
function listsOf({ values, offsets }: SlotValues, items: number): number[][][] {
  const slots = (offsets.length - 1) / items;
  return Array.from(
    { length: items },
    (_, item) =>
      Array.from({ length: slots }, (_, slot) => {
        const list = item * slots + slot;
        return [...values.subarray(offsets[list], offsets[list + 1])];
      }),
  );
}
