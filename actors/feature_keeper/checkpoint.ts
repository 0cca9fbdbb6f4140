/**
 * Checkpoints of a feature keeper in the blob store: its state, and how far into the event log it
 * reaches. A keeper that starts again continues from there.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { KeptFeature } from "./options.ts";
import type { SavedState } from "./kept_state.ts";

/** Increased by every change of the format. */
const FORMAT = 1;

/** A state and the records that it has read. */
export interface Checkpoint {
  /** By partition of the event log. */
  readonly offsets: readonly number[];
  readonly state: SavedState;
}

/** The checkpoints of one keeper. */
export class Checkpoints {
  readonly #blobs: BlobStore;
  readonly #name: string;
  /** A state of other features, or of another number of keepers, is of no use. */
  readonly #shape: string;

  constructor(
    blobs: BlobStore,
    { features, shard, shards }: {
      readonly features: readonly KeptFeature[];
      readonly shard: number;
      readonly shards: number;
    },
  ) {
    this.#blobs = blobs;
    this.#name = `kept/${shard}`;
    this.#shape = JSON.stringify([FORMAT, shards, features]);
  }

  async write({ offsets, state }: Checkpoint): Promise<void> {
    await this.#blobs.put(this.#name, encode({ shape: this.#shape, offsets, state }));
  }

  /** The last checkpoint; undefined if there is none of these features. */
  async read(): Promise<Checkpoint | undefined> {
    const bytes = await this.#blobs.get(this.#name);
    if (bytes === undefined) return undefined;
    const { shape, offsets, state } = decode(bytes) as Checkpoint & { readonly shape: string };
    return shape === this.#shape ? { offsets, state } : undefined;
  }
}
