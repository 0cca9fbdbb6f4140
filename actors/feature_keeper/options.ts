/**
 * The feature keeper's configuration, as plain data: the features that it keeps, and its bounds.
 */

import type { LogExtent } from "../../mesh/ports/event_log.ts";
import type { SlotColumn } from "../../kernels/features/values_of_items.ts";
import type { OwnBlobs } from "../../records/own_blobs.ts";
import { SHOWN } from "../../rules/rule_errors.ts";

/** Events that a feature counts. */
export interface KeptEvent {
  /** The name of an action, or `shown`: an item of a ranking. */
  readonly action: string;
  /** Only actions of at least this value. */
  readonly atLeast?: number | undefined;
  /** Only actions below this value. */
  readonly below?: number | undefined;
}

/** The key of a feature. */
export type KeptBy = "user" | "item";

/**
 * Time that a feature covers: a sliding window, or the user's session, which ends when the user has
 * had no ranking and no event for `sessionMs`.
 */
export type KeptSpan = { readonly windowMs: number } | { readonly sessionMs: number };

/** A user's newest items of an action, the newest first, each once. */
export interface KeptHistory {
  readonly kind: "history";
  readonly name: string;
  readonly of: KeptEvent;
  /** Items at most. */
  readonly last: number;
  /** Only items of the user's session, which ends after a pause of this length; absent = all. */
  readonly sessionMs?: number | undefined;
}

/** Fields of every feature that is a number. */
export interface KeptNumberBase {
  readonly name: string;
  readonly by: KeptBy;
  /**
   * Divides the events of a user by a slot's values: the feature of a user and an item counts the
   * user's events on items with a value in common with it.
   */
  readonly slot?: SlotColumn | undefined;
  readonly of: KeptEvent;
}

/** Events within the span. */
export interface KeptCount extends KeptNumberBase {
  readonly kind: "count";
  readonly span: KeptSpan;
}

/**
 * `(count(of) + rate · weight) / (count(per) + weight)` within the span: the share of events, drawn
 * towards the prior while there are few.
 */
export interface KeptRate extends KeptNumberBase {
  readonly kind: "rate";
  readonly per: KeptEvent;
  readonly span: KeptSpan;
  readonly prior: { readonly rate: number; readonly weight: number };
}

/**
 * `(sum of values + value · weight) / (count + weight)` within the span: the mean value of events,
 * drawn towards the prior while there are few. Events without a value do not count.
 */
export interface KeptMean extends KeptNumberBase {
  readonly kind: "mean";
  readonly span: KeptSpan;
  readonly prior: { readonly value: number; readonly weight: number };
}

/** Events in the last window against the mean of eight windows: ln((1 + now) / (1 + mean)). */
export interface KeptTrend extends KeptNumberBase {
  readonly kind: "trend";
  readonly windowMs: number;
}

/** Hours since the last event; absent before the first. */
export interface KeptSince extends KeptNumberBase {
  readonly kind: "since";
}

/** Hours since the first event that the keeper remembers. */
export interface KeptAge extends KeptNumberBase {
  readonly kind: "age";
}

/** A feature with a number for each key. */
export type KeptNumber = KeptCount | KeptRate | KeptMean | KeptTrend | KeptSince | KeptAge;

/** A feature that the keeper keeps. */
export type KeptFeature = KeptHistory | KeptNumber;

/** Features and bounds of the keepers. */
export interface FeatureKeeperOptions {
  readonly features: readonly KeptFeature[];
  /** This keeper, from 0. */
  readonly shard: number;
  /** Keepers; each has the users and items whose ids it is given by their hash. */
  readonly shards: number;
  /**
   * Memory of a keeper, bytes. Beyond it, the user, item, ranking or event whose last record is the
   * oldest is dropped.
   */
  readonly bytesMax: number;
  /** Newest rankings whose user is remembered, for the actions on them. */
  readonly rankingsMax: number;
  /** Values of a slot that are kept of a user; the value without an event for longest goes. */
  readonly valuesMax: number;
  /**
   * Epoch of the placement that the keeper follows, under which it writes its checkpoints; absent
   * where no coordination store places it.
   */
  readonly tenure?: number;
  /** The blob store from which it begins, where a coordination store places it. Absent = any. */
  readonly ownBlobs?: OwnBlobs;
  /** The partitions of the event log; absent where the log keeps those that it has. */
  readonly extent?: LogExtent;
  /** Least time between checkpoints, ms; 0 = none, where the log does not outlive the process. */
  readonly checkpointMs: number;
}

/**
 * Whether features of users count what was shown to them: rules that keep the items of one ranking
 * from the next read these.
 */
export function countsShownToUser(features: readonly KeptFeature[]): boolean {
  return features.some((feature) =>
    feature.of.action === SHOWN && (feature.kind === "history" || feature.by === "user")
  );
}

/** The number of features by item. */
export function keptByItem(features: readonly KeptFeature[]): number {
  return features.filter((feature) => feature.kind !== "history" && feature.by === "item").length;
}

/** The slots by which features divide the events of users, each once, in the order of features. */
export function keptSlots(features: readonly KeptFeature[]): SlotColumn[] {
  const slots = new Map<string, SlotColumn>();
  for (const feature of features) {
    if (feature.kind === "history" || feature.slot === undefined) continue;
    if (!slots.has(feature.slot.name)) slots.set(feature.slot.name, feature.slot);
  }
  return [...slots.values()];
}
