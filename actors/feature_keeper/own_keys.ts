/**
 * The users and items whose features one feature keeper has.
 */
import type { FeatureKeeperOptions } from "./options.ts";
import { keeperOf } from "./protocol.ts";

export class OwnKeys {
  readonly #options: Pick<FeatureKeeperOptions, "shard" | "shards">;

  constructor(options: Pick<FeatureKeeperOptions, "shard" | "shards">) {
    this.#options = options;
  }

  /** Whether the features of this user or item are here. The empty id has none. */
  owns(id: string): boolean {
    const { shard, shards } = this.#options;
    return keeperOf(id, shards) === shard;
  }
}
