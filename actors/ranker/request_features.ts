/**
 * The features of requests: loads the profiles that they read where profiles are stored elsewhere,
 * reads kept features, and extracts.
 */
import type { AskOptions } from "../../mesh/runtime/actor.ts";
import type { Attributes, ProfileStore } from "../../mesh/ports/profile_store.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import type { StoredItems } from "../../kernels/features/count_pass.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { Kept, KeptReader } from "./kept_reader.ts";
import type { RankerOptions } from "./options.ts";
import type { Rank } from "./protocol.ts";

/** The parts of a request that features are made of. */
export type FeatureSources =
  & Pick<Rank, "user" | "atMs" | "candidates" | "rules">
  & Partial<Pick<Rank, "userFields" | "context">>;

const nothing: Attributes = {};

export class RequestFeatures {
  readonly #profiles: ProfileStore;
  readonly #kept: KeptReader;
  readonly extractor: FeatureExtractor;

  constructor(
    options: RankerOptions,
    { profiles, kept, storedItems }: {
      readonly profiles: ProfileStore;
      readonly kept: KeptReader;
      readonly storedItems: StoredItems;
    },
  ) {
    this.#profiles = profiles;
    this.#kept = kept;
    this.extractor = new FeatureExtractor(options.schema, FeatureHasher.create(), {
      ...options,
      storedItems,
    });
  }

  /** Whether {@link read} has nothing to wait for. */
  get areLocal(): boolean {
    return this.#profiles.isLocal && !this.#kept.reads;
  }

  /**
   * Makes the profiles of a request readable, and reads its kept features: undefined if there are
   * none, or a keeper is away. It does not fail without a profile store or keeper.
   */
  async read(request: FeatureSources, options: () => AskOptions): Promise<Kept | undefined> {
    if (!this.#profiles.isLocal) await this.#load(request);
    return this.#kept.reads ? await this.#kept.read(request, options()) : undefined;
  }

  /** @throws {FeatureTypeError} An attribute is not of the type that its slot reads. */
  extract(request: FeatureSources, kept: Kept | undefined): FeatureBatch {
    const { user, userFields, context = nothing, atMs, candidates } = request;
    const stored = this.extractor.readsUsers
      ? this.#profiles.get("user", user)?.attributes
      : undefined;
    return this.extractor.extract({
      user,
      userAttributes: { ...stored, ...kept?.user, ...userFields },
      context,
      atMs,
      items: candidates,
      ...(kept && { keptOfItems: kept.items }),
    });
  }

  /** Takes over the memory of features, which must not be read any more. */
  giveBack(features: FeatureBatch): void {
    this.extractor.giveBack(features);
  }

  /** Forgets the values derived from an item's profile; undefined = from all of them. */
  changed(item: string | undefined): void {
    if (item === undefined) this.extractor.invalidateAll();
    else this.extractor.invalidate(item);
  }

  async #load(request: FeatureSources): Promise<void> {
    const { user, rules } = request;
    const readsUser = this.extractor.readsUsers || rules !== undefined;
    await Promise.all([
      this.#loadItems(request),
      readsUser ? this.#profiles.load("user", [user]) : undefined,
    ]);
  }

  /** Loads the profiles of the candidates that are read: with cached features these are few. */
  async #loadItems({ candidates, rules }: FeatureSources): Promise<void> {
    if (rules !== undefined || this.#kept.reads) {
      return await this.#profiles.load("item", candidates.map(({ id }) => id));
    }
    // While items load, others may change, or lose their features to those of other requests.
    const loaded = new Set<string>();
    for (;;) {
      const wanted = this.extractor.itemsNotCached(candidates);
      if (wanted.every((id) => loaded.has(id))) return;
      for (const id of wanted) loaded.add(id);
      await this.#profiles.load("item", wanted);
    }
  }
}
