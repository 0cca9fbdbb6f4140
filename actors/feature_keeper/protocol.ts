/**
 * The messages of a feature keeper: users and items in, the features that it keeps of them out.
 */
import type { SlotValues } from "../../kernels/features/values_of_items.ts";
import type { Request } from "../../mesh/runtime/actor.ts";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";

/**
 * The keeper of a user or item among so many; undefined for the empty id, which has no features.
 */
export function keeperOf(id: string, keepers: number): number | undefined {
  if (id === "") return undefined;
  return keepers === 1 ? 0 : fingerprintOf(id).low % keepers;
}

/** Asks for the features of a user and of items; ids of other keepers are passed over. */
export interface ReadKept extends Request<KeptValues> {
  readonly kind: "readKept";
  readonly user: string;
  readonly items: readonly string[];
  /** The request's time on the data clock, ms. */
  readonly atMs: number;
  /** Actions whose histories are returned with their times, for rules. */
  readonly histories: readonly string[];
  /** Values of the items' slots; absent where no feature is by the values of a slot. */
  readonly values?: SlotValues | undefined;
}

/** The features at a moment. */
export interface KeptValues {
  /** Whether the user is one of this keeper's; if not, `user` and `histories` are empty. */
  readonly hasUser: boolean;
  /** By the name of the feature; absent features are left out. */
  readonly user: Readonly<Record<string, number | readonly string[]>>;
  /** Numbers of items, `[items, features by item]`; NaN = absent, or an item of another keeper. */
  readonly items: Float64Array<ArrayBuffer>;
  /** By action, the newest first. */
  readonly histories: Readonly<Record<string, HistoryTimes>>;
}

/** Items of a history, and when the action was. */
export interface HistoryTimes {
  readonly items: readonly string[];
  /** On the data clock, ms. */
  readonly atMs: readonly number[];
}

/**
 * Asks for the items with the greatest values of a feature. They are searched again once a second,
 * or less often where that takes more than a tenth of the keeper's time; the first answer has the
 * items that the keeper has met so far.
 */
export interface GetTop extends Request<TopItems> {
  readonly kind: "getTop";
  /** The name of a number of items. */
  readonly feature: string;
  readonly count: number;
  /** The request's time on the data clock, ms. */
  readonly atMs: number;
}

/** Items whose value is above that of an item without events, the greatest first. */
export interface TopItems {
  readonly items: readonly string[];
  readonly values: readonly number[];
}

/** Reads the next records of the event log. The keeper sends it to itself. */
export interface ReadLog {
  readonly kind: "readLog";
}

/** Writes the next part of a checkpoint. The keeper sends it to itself. */
export interface SaveNext {
  readonly kind: "saveNext";
}

/** Looks at the next items for those of the greatest values. The keeper sends it to itself. */
export interface SearchTop {
  readonly kind: "searchTop";
}

/** Clears the next rankings of erased users. The keeper sends it to itself. */
export interface ClearErased {
  readonly kind: "clearErased";
}

/** Asks how far the keeper has read. */
export interface GetKeeperStatus extends Request<KeeperStatus> {
  readonly kind: "getStatus";
}

/** The contents of a keeper. */
export interface KeeperStatus {
  /** Records before it are read or trimmed, by partition of the event log. */
  readonly offsets: readonly number[];
  /** Records that it has not read; undefined while the log's end is unknown. */
  readonly recordsUnread: number | undefined;
  /** Records before it are in the stored checkpoint, or are read where none is stored. */
  readonly saved: readonly number[];
  readonly users: number;
  readonly items: number;
  /** Counted memory. */
  readonly bytes: number;
}

/** All that a feature keeper understands. */
export type FeatureKeeperMessage =
  | ReadKept
  | GetTop
  | ReadLog
  | SaveNext
  | SearchTop
  | ClearErased
  | SetLeased
  | GetKeeperStatus;
