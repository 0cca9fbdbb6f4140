/**
 * Checkpoints of a feature keeper in the blob store: its state in parts, and a blob that names the
 * parts and how far into the event log they reach. A keeper that starts again continues from there.
 * The naming blob is written after the parts and replaced as a whole, so that a reader finds all
 * parts of the newest checkpoint.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { SavedPart } from "./kept_tables.ts";
import type { KeptFeature } from "./options.ts";

/** Increased by every change of the format. */
const FORMAT = 2;

/** The end of the records that a state has. */
export interface CheckpointEnd {
  /** By partition of the event log. */
  readonly offsets: readonly number[];
  /** Records that the state has taken. */
  readonly records: number;
}

/** A state and the records that it has read. */
export interface Checkpoint extends CheckpointEnd {
  readonly parts: readonly SavedPart[];
}

interface Index extends CheckpointEnd {
  readonly shape: string;
  /** Number of the checkpoint, in the names of its parts. */
  readonly number: number;
  readonly parts: number;
}

/** The checkpoints of one keeper. */
export class Checkpoints {
  readonly #blobs: BlobStore;
  readonly #folder: string;
  /** A state of other features, or of another number of keepers, is of no use. */
  readonly #shape: string;
  /** The checkpoint that is written. */
  #number = 0;
  #parts = 0;

  constructor(
    blobs: BlobStore,
    { features, shard, shards }: {
      readonly features: readonly KeptFeature[];
      readonly shard: number;
      readonly shards: number;
    },
  ) {
    this.#blobs = blobs;
    this.#folder = `keeper/${shard}`;
    this.#shape = JSON.stringify([FORMAT, shards, features]);
  }

  /** Begins a checkpoint; the last one stays until {@link finish}. */
  begin(): void {
    this.#number++;
    this.#parts = 0;
  }

  async writePart(part: SavedPart): Promise<void> {
    const name = this.#partName(this.#number, this.#parts++);
    await this.#blobs.put(name, encode(part));
  }

  /** Makes the parts written since {@link begin} the last checkpoint. */
  async finish(end: CheckpointEnd): Promise<void> {
    const index: Index = { ...end, shape: this.#shape, number: this.#number, parts: this.#parts };
    await this.#blobs.put(this.#indexName, encode(index));
    await this.#deleteOthers(index.number);
  }

  /**
   * The last checkpoint; undefined if there is none of these features.
   *
   * @throws {Error} When a part is missing or cannot be read.
   */
  async read(): Promise<Checkpoint | undefined> {
    const bytes = await this.#blobs.get(this.#indexName);
    if (bytes === undefined) return undefined;
    const { shape, offsets, records, number, parts: count } = decode(bytes) as Index;
    // Also where the parts are of no use: a new checkpoint does not write over them.
    this.#number = number ?? 0;
    if (shape !== this.#shape) return undefined;
    const parts: SavedPart[] = [];
    for (let i = 0; i < count; i++) {
      const part = await this.#blobs.get(this.#partName(number, i));
      if (part === undefined) throw new Error(`The blob ${this.#partName(number, i)} is missing`);
      parts.push(decode(part) as SavedPart);
    }
    return { offsets, records, parts };
  }

  /** Deletes the parts of checkpoints but this one and the one that is being written. */
  async #deleteOthers(number: number): Promise<void> {
    const own = `${this.#folder}/${number}/`;
    const isOfNext = (name: string) => name.startsWith(`${this.#folder}/${this.#number}/`);
    for (const name of await this.#blobs.list(`${this.#folder}/`)) {
      const isKept = name === this.#indexName || name.startsWith(own) || isOfNext(name);
      if (!isKept) await this.#blobs.delete(name);
    }
  }

  get #indexName(): string {
    return `${this.#folder}/index`;
  }

  #partName(number: number, part: number): string {
    return `${this.#folder}/${number}/${part}`;
  }
}
