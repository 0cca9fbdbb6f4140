/**
 * What every dataset becomes: who did what to which item, when and how strongly, with the attributes of users and
 * items beside it. `replay` sends it through the HTTP API, `train` makes examples of it.
 */
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";

/** What one row says beside the interaction itself. Its attributes hold for this row only and cover those by id. */
export interface RowFields {
  /** What was done, where the file tells several actions apart. */
  readonly action?: string;
  readonly user?: FeatureAttributes;
  readonly item?: FeatureAttributes;
  readonly context?: FeatureAttributes;
}

/** Some interactions in the file's order, in columns; entry i of each column belongs together. */
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
  /** What the interactions are called where the file does not say, e.g. `rating`. */
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
export const chunkRows = 4096;

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
    return this.rows >= chunkRows;
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
