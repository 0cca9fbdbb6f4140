/**
 * The common form of all datasets: interactions of users with items, with time, value, and
 * attributes of users and items. `replay` sends it through the HTTP API, `train` makes examples of
 * it.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";

/** Further fields of one row. Its attributes hold for this row only and override those by id. */
export interface RowFields {
  /** The row's action, where the file has several. */
  readonly action?: string;
  readonly user?: FeatureAttributes;
  readonly item?: FeatureAttributes;
  readonly context?: FeatureAttributes;
}

/** A chunk of interactions in the file's order, as parallel columns. */
export interface InteractionChunk {
  readonly users: readonly string[];
  readonly items: readonly string[];
  /** The action's strength (a rating, a price); NaN where the file has none. */
  readonly values: Float64Array<ArrayBuffer>;
  /** ms since the Unix epoch; 0 where the file has no time. */
  readonly atMs: Float64Array<ArrayBuffer>;
  /** One per row; absent where the format has none. */
  readonly fields?: readonly RowFields[];
}

export interface Dataset {
  readonly name: string;
  /** The action of all rows where the file names none, e.g. `rating`. */
  readonly action: string;
  /** Attributes by id; an id without an entry has none. */
  readonly users: ReadonlyMap<string, FeatureAttributes>;
  readonly items: ReadonlyMap<string, FeatureAttributes>;
  /**
   * Reads the file once more, from its beginning.
   *
   * @throws {DatasetError} On a line that cannot be read.
   */
  interactions(): AsyncIterable<InteractionChunk>;
}

/** Rows of one chunk: enough to keep the loop's overhead small, few enough to stay responsive. */
export const CHUNK_ROWS = 4096;

/** Gathers rows into chunks. */
export class ChunkBuilder {
  #users: string[] = [];
  #items: string[] = [];
  #values: number[] = [];
  #atMs: number[] = [];
  #fields: RowFields[] = [];

  get rows(): number {
    return this.#users.length;
  }

  get full(): boolean {
    return this.rows >= CHUNK_ROWS;
  }

  add(
    user: string,
    item: string,
    value: number,
    atMs: number,
    fields?: RowFields,
  ): void {
    this.#users.push(user);
    this.#items.push(item);
    this.#values.push(value);
    this.#atMs.push(atMs);
    if (fields !== undefined) this.#fields.push(fields);
  }

  /** The rows so far; the builder is empty afterwards. */
  take(): InteractionChunk {
    const chunk = {
      users: this.#users,
      items: this.#items,
      values: Float64Array.from(this.#values),
      atMs: Float64Array.from(this.#atMs),
      ...(this.#fields.length > 0 ? { fields: this.#fields } : {}),
    };
    [this.#users, this.#items, this.#values, this.#atMs, this.#fields] = [[], [], [], [], []];
    return chunk;
  }
}
