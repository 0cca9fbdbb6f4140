/**
 * Reads kept features out of the tables of a feature keeper.
 */
import type { SlotValues } from "../../kernels/features/values_of_items.ts";
import { historyKey, type KeptColumns } from "./kept_columns.ts";
import type { KeptTables } from "./kept_tables.ts";
import type { OwnKeys } from "./own_keys.ts";
import type { HistoryTimes, KeptValues } from "./protocol.ts";
import { TopSearch } from "./top_search.ts";

export class KeptAnswers {
  readonly #columns: KeptColumns;
  readonly #tables: KeptTables;
  readonly #keys: OwnKeys;

  constructor(columns: KeptColumns, tables: KeptTables, keys: OwnKeys) {
    this.#columns = columns;
    this.#tables = tables;
    this.#keys = keys;
  }

  /** The error of values that are not of these items; undefined for others. */
  misfitOf(items: readonly string[], values: SlotValues | undefined): RangeError | undefined {
    if (values === undefined || this.#columns.values.canRead(values, items.length)) {
      return undefined;
    }
    return new RangeError(
      `Cannot read kept features by the values of ${items.length} items: their ` +
        `${values.offsets.length} offsets must ascend from 0 to ${values.values.length}, the ` +
        "number of values, with a list for each item and slot",
    );
  }

  /**
   * The features of a user and of items at a moment.
   *
   * @param values Values of the slots by which features divide a user's events, of the items, which
   *   they fit ({@link misfitOf}).
   */
  read(
    user: string,
    items: readonly string[],
    nowMs: number,
    { histories: actions, values }: {
      readonly histories: readonly string[];
      readonly values?: SlotValues | undefined;
    },
  ): KeptValues {
    const isOwn = this.#keys.owns(user);
    const state = isOwn ? this.#tables.users.get(user) : undefined;
    const moment = { nowMs, sessions: state?.sessions };
    const { items: itemColumns, values: valueColumns } = this.#columns;
    const ownWidth = itemColumns.names.length;
    const width = ownWidth + valueColumns.width;
    const numbers = new Float64Array(items.length * width);
    if (width > 0) {
      items.forEach((item, i) => {
        const at = i * width;
        if (this.#keys.owns(item)) {
          itemColumns.read(this.#tables.items.get(item), moment, numbers, at);
        } else numbers.fill(NaN, at, at + ownWidth);
      });
      valueColumns.read(isOwn ? values : undefined, state?.values, moment, {
        rows: items.length,
        numbers,
        width,
        at: ownWidth,
      });
    }
    if (!isOwn) return { hasUser: false, user: {}, items: numbers, histories: {} };
    const histories: Record<string, HistoryTimes> = {};
    for (const action of actions) {
      const history = state?.histories.get(historyKey({ action }));
      if (history !== undefined) histories[action] = history;
    }
    return { hasUser: true, user: this.#columns.ofUser(state, nowMs), items: numbers, histories };
  }

  /**
   * A search for the items with the greatest values of a feature, above that of an item without
   * events; undefined if no item has the feature.
   */
  topSearch(feature: string, count: number, nowMs: number): TopSearch | undefined {
    const { items: columns } = this.#columns;
    const index = columns.names.indexOf(feature);
    if (index < 0) return undefined;
    return new TopSearch({
      items: this.#tables.items.entries(),
      valueOf: (numbers) => columns.readOne(index, numbers, nowMs),
      count,
      least: columns.readOne(index, undefined, nowMs),
    });
  }
}
