/**
 * Checkpoints of a feature keeper in the blob store: its state in parts, and a blob that names the
 * parts and how far into the event log they reach. A keeper that starts again continues from there.
 * The naming blob is written after the parts and replaced as a whole, so that a reader finds all
 * parts of the newest checkpoint.
 *
 * In a mesh a keeper moves between hosts. Each tenure has a folder of its own, and a reader takes
 * the checkpoint of the newest tenure, so that a former owner replaces nothing that came later:
 *
 *     keeper/0/index       keeper/0/3/0       without a coordination store
 *     keeper/0/t7/index    keeper/0/t7/3/0    under tenure 7
 */
import { decode, encode } from "@msgpack/msgpack";
import { type BlobStore, deleteUnfinishedPuts } from "../../mesh/ports/blob_store.ts";
import { keeperFolder } from "../../records/keeper_checkpoints.ts";
import type { SavedPart } from "./kept_tables.ts";
import type { KeptFeature } from "./options.ts";
import type { ReadEnd } from "./read_positions.ts";

/** Increased by every change of the format. */
const FORMAT = 2;

/** Attempts to read a checkpoint that is replaced meanwhile. */
const READS_MAX = 3;

/** The end of the records that a state has. */
export interface CheckpointEnd extends ReadEnd {
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
  /** The tenure under which checkpoints are written; 0 = without a coordination store. */
  #tenure: number;
  /** Without a tenure of its own, a keeper goes on under that of the checkpoint that it reads. */
  readonly #hasTenure: boolean;
  /** Tenures of which blobs were found at the last read. */
  #found: ReadonlySet<number> = new Set();
  /** Later tenures whose checkpoints are of no use, and go with the next one. */
  #useless: ReadonlySet<number> = new Set();
  /** A state of other features, or of another number of keepers, is of no use. */
  readonly #shape: string;
  /** The checkpoint that the last read returned. */
  #read: { readonly tenure: number; readonly index: Index } | undefined;
  /** The checkpoint that is written. */
  #number = 0;
  #parts = 0;

  constructor(
    blobs: BlobStore,
    { features, shard, shards, tenure }: {
      readonly features: readonly KeptFeature[];
      readonly shard: number;
      readonly shards: number;
      readonly tenure?: number;
    },
  ) {
    this.#blobs = blobs;
    this.#folder = keeperFolder(shard);
    this.#tenure = tenure ?? 0;
    this.#hasTenure = tenure !== undefined;
    this.#shape = JSON.stringify([FORMAT, shards, features]);
  }

  /** Begins a checkpoint; the last one stays until {@link finish}. */
  begin(): void {
    this.#number++;
    this.#parts = 0;
  }

  async writePart(part: SavedPart): Promise<void> {
    const name = this.#partName(this.#tenure, this.#number, this.#parts++);
    await this.#blobs.put(name, encode(part));
  }

  /** Makes the parts written since {@link begin} the last checkpoint. */
  async finish(end: CheckpointEnd): Promise<void> {
    const index: Index = { ...end, shape: this.#shape, number: this.#number, parts: this.#parts };
    await this.#blobs.put(this.#indexName(this.#tenure), encode(index));
    await this.#deleteOthers(index);
  }

  /**
   * Whether more is stored than the checkpoint that {@link read} returned: parts of the one before,
   * or of one that was not finished, may hold users whom the returned one lacks. They go with the
   * next checkpoint. Not earlier, since a former owner may be about to finish one.
   */
  async hasLeftovers(): Promise<boolean> {
    if (this.#read === undefined || this.#read.tenure > this.#tenure) return false;
    const { tenure, index } = this.#read;
    const own = this.#namesOf(tenure, index);
    const others = (await this.#blobs.list(this.#folder)).filter((name) => !own.has(name));
    const names = [...others, ...await this.#blobs.listUnfinished(this.#folder)];
    return names.some((name) => this.#tenureOf(name) <= this.#tenure);
  }

  /**
   * The last checkpoint; undefined if there is none of these features.
   *
   * @throws {Error} When a part is missing or cannot be read.
   */
  async read(): Promise<Checkpoint | undefined> {
    for (let attempts = 1;; attempts++) {
      try {
        return await this.#readNewest();
      } catch (error) {
        // A former owner has perhaps replaced it meanwhile.
        if (attempts === READS_MAX) throw error;
      }
    }
  }

  /**
   * Lets the next checkpoint replace those that {@link read} found, whatever their tenures: they
   * are of another log or of other features. Checkpoints that other owners write after that stay.
   */
  replaceFound(): void {
    this.#useless = this.#found;
  }

  async #readNewest(): Promise<Checkpoint | undefined> {
    const names = await this.#blobs.list(this.#folder);
    this.#found = new Set(names.map((name) => this.#tenureOf(name)));
    const tenures = names.filter((name) => name.endsWith("/index"))
      .map((name) => this.#tenureOf(name));
    this.#read = undefined;
    if (tenures.length === 0) return undefined;
    const tenure = Math.max(...tenures);
    if (!this.#hasTenure) this.#tenure = tenure;
    const bytes = await this.#blobs.get(this.#indexName(tenure));
    if (bytes === undefined) return undefined;
    const index = decode(bytes) as Index;
    const { shape, number, parts: count, ...end } = index;
    // Also where the parts are of no use: a new checkpoint does not write over them.
    this.#number = number;
    if (shape !== this.#shape) {
      this.replaceFound();
      return undefined;
    }
    const parts: SavedPart[] = [];
    for (let i = 0; i < count; i++) {
      const name = this.#partName(tenure, number, i);
      const part = await this.#blobs.get(name);
      if (part === undefined) throw new Error(`The blob ${name} is missing`);
      parts.push(decode(part) as SavedPart);
    }
    this.#read = { tenure, index };
    return { ...end, parts };
  }

  /**
   * Deletes all blobs but those of a checkpoint, and the bytes of unfinished puts. Blobs of later
   * tenures stay: then this keeper is a former owner. No checkpoint may begin meanwhile.
   */
  async #deleteOthers(index: Index): Promise<void> {
    const own = this.#namesOf(this.#tenure, index);
    const isLater = (name: string) => {
      const tenure = this.#tenureOf(name);
      return tenure > this.#tenure && !this.#useless.has(tenure);
    };
    for (const name of await this.#blobs.list(this.#folder)) {
      if (!own.has(name) && !isLater(name)) await this.#blobs.delete(name);
    }
    await deleteUnfinishedPuts(this.#blobs, this.#folder, (name) => !isLater(name));
    this.#useless = new Set();
  }

  /** Names of the blobs of a checkpoint. */
  #namesOf(tenure: number, { number, parts }: Index): ReadonlySet<string> {
    const names = Array.from({ length: parts }, (_, i) => this.#partName(tenure, number, i));
    return new Set([this.#indexName(tenure), ...names]);
  }

  /** The tenure under which a blob was written. */
  #tenureOf(name: string): number {
    const found = /^t(\d+)\//.exec(name.slice(this.#folder.length));
    return found === null ? 0 : Number(found[1]);
  }

  #folderOf(tenure: number): string {
    return tenure === 0 ? this.#folder : `${this.#folder}t${tenure}/`;
  }

  #indexName(tenure: number): string {
    return `${this.#folderOf(tenure)}index`;
  }

  #partName(tenure: number, number: number, part: number): string {
    return `${this.#folderOf(tenure)}${number}/${part}`;
  }
}
