/**
 * Makes the event log's records of visits, with the features that serving would have logged at
 * their time: the attributes that were known then.
 */
import { KeptState } from "../../actors/feature_keeper/kept_state.ts";
import { type FeatureKeeperOptions, keptSlots } from "../../actors/feature_keeper/options.ts";
import { ValuesOfItems } from "../../kernels/features/values_of_items.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import type { StoredItems } from "../../kernels/features/count_pass.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import { rowColumnsOf } from "../../kernels/features/schema_fingerprint.ts";
import { encodeEvent } from "../../records/event_record.ts";
import { ImpressionRowsWriter } from "../../records/impression_rows_writer.ts";
import type { Visit } from "./visits.ts";

/** Memory for features of items between visits, bytes. */
const ITEM_CACHE_BYTES = 64 * 2 ** 20;

/** Stored attributes while a history is imported. */
export interface ImportedProfiles {
  readonly user: Map<string, FeatureAttributes>;
  readonly item: Map<string, FeatureAttributes>;
}

/** Ids of the rankings and events that the log holds already. */
export interface LoggedIds {
  readonly rankings: ReadonlySet<string>;
  readonly events: ReadonlySet<string>;
}

/** A record of the event log, and the ranking that it belongs to. */
export interface VisitRecord {
  readonly rankingId: string;
  readonly bytes: Uint8Array;
}

export interface VisitRecordsOptions {
  readonly schema: FeatureSchema;
  /** Names of the model's tasks. */
  readonly tasks: readonly string[];
  readonly profiles: ImportedProfiles;
  /** The features that the server keeps; absent = none. */
  readonly kept?: Omit<FeatureKeeperOptions, "shard">;
  /** The next acceptance time, ms, ascending. */
  readonly nextAcceptedAtMs: () => number;
}

export class VisitRecords {
  readonly #options: VisitRecordsOptions;
  readonly #extractor: FeatureExtractor;
  readonly #rows: ImpressionRowsWriter;
  /** The kept features as of the visits so far; undefined if none are kept. */
  readonly #kept: KeptState | undefined;
  readonly #valuesOfItems: ValuesOfItems | undefined;
  /** Ids whose attributes have changed since {@link takeChanged}. */
  #changed = { user: new Set<string>(), item: new Set<string>() };

  constructor(options: VisitRecordsOptions) {
    const { schema, tasks, profiles, kept } = options;
    this.#options = options;
    this.#kept = kept && new KeptState({ ...kept, shard: 0, shards: 1 });
    const storedItems: StoredItems = (ids) => ids.map((id) => profiles.item.get(id));
    const slots = keptSlots(kept?.features ?? []);
    this.#valuesOfItems = slots.length > 0
      ? new ValuesOfItems(slots, schema, storedItems)
      : undefined;
    this.#extractor = new FeatureExtractor(schema, FeatureHasher.create(), {
      storedItems,
      itemCacheBytesMax: ITEM_CACHE_BYTES,
    });
    this.#rows = new ImpressionRowsWriter({
      ...rowColumnsOf(schema, tasks[0]),
      sharedSlots: this.#extractor.sharedSlots,
      tasks: tasks.length,
    });
  }

  /** Takes over the attributes of a visit's rows. */
  learnProfiles({ user, userFields, itemFields }: Visit): void {
    if (userFields !== undefined) this.#merge("user", user, userFields);
    for (const [item, fields] of itemFields) this.#merge("item", item, fields);
  }

  /**
   * The records of a visit that the log does not hold yet, the ranking first.
   *
   * @throws {FeatureTypeError} When an attribute is not of the type that its slot reads.
   */
  records(visit: Visit, logged?: LoggedIds): VisitRecord[] {
    const records: VisitRecord[] = [];
    const { ranking, actions } = visit;
    if (ranking !== undefined) {
      records.push({ rankingId: ranking.id, bytes: this.#impression(visit, ranking) });
    }
    for (const { value, ...action } of actions) {
      const bytes = encodeEvent({
        kind: "action",
        ...action,
        ...(!Number.isNaN(value) && { value }),
        acceptedAtMs: this.#options.nextAcceptedAtMs(),
      });
      records.push({ rankingId: action.rankingId, bytes });
    }
    for (const { bytes } of records) this.#kept?.take(bytes);
    if (logged === undefined) return records;
    const isLogged = actions.map(({ eventId }) => logged.events.has(eventId));
    if (ranking !== undefined) isLogged.unshift(logged.rankings.has(ranking.id));
    return records.filter((_, i) => !isLogged[i]);
  }

  /** Counts a visit whose records the log has already, for kept features. */
  skip(visit: Visit): void {
    if (this.#kept !== undefined) this.records(visit);
  }

  /** The ids whose attributes have changed since the last call. */
  takeChanged(): { readonly user: Set<string>; readonly item: Set<string> } {
    const changed = this.#changed;
    this.#changed = { user: new Set(), item: new Set() };
    return changed;
  }

  #impression({ user, atMs }: Visit, ranking: NonNullable<Visit["ranking"]>): Uint8Array {
    const { profiles, tasks, nextAcceptedAtMs } = this.#options;
    const candidates = ranking.items.map((id) => ({ id }));
    const values = this.#valuesOfItems?.of(candidates);
    const kept = this.#kept?.read(user, ranking.items, atMs, { histories: [], values });
    const features = this.#extractor.extract({
      user,
      userAttributes: { ...profiles.user.get(user), ...kept?.user },
      context: ranking.context,
      atMs,
      items: candidates,
      ...(kept && { keptOfItems: kept.items }),
    });
    const { logSampleRate } = ranking;
    return encodeEvent({
      kind: "impression",
      rankingId: ranking.id,
      atMs,
      acceptedAtMs: nextAcceptedAtMs(),
      user,
      shown: this.#rows.write({
        candidates,
        features,
        predictions: new Float32Array(candidates.length * tasks.length).fill(NaN),
        rows: candidates.map((_, row) => row),
      }),
      ...(logSampleRate !== undefined && { logSampleRate }),
    });
  }

  #merge(kind: "user" | "item", id: string, fields: FeatureAttributes): void {
    const stored = this.#options.profiles[kind];
    const known = stored.get(id);
    if (
      known !== undefined && Object.keys(fields).every((key) => isEqual(known[key], fields[key]))
    ) {
      return;
    }
    stored.set(id, { ...known, ...fields });
    this.#changed[kind].add(id);
    if (kind === "item") this.#extractor.invalidate(id);
  }
}

function isEqual(a: FeatureAttributes[string] | undefined, b: FeatureAttributes[string]): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
