/** The operations that a contender, Cairn's tables or a native peer, has to provide. */
import type { Distribution } from "./sequences.ts";

/** A range of draws, by batches. */
export interface Slice {
  readonly distribution: Distribution;
  readonly batch: number;
  /** First batch. */
  readonly start: number;
  /** Number of batches. */
  readonly batches: number;
}

/** All times are core time in nanoseconds, without the preparation of inputs. */
export interface Contender {
  readonly name: string;
  /** Starts over with rows of `dim` weights, followed by Adagrad's accumulators if `learns`. */
  create(dim: number, learns: boolean): Promise<void>;
  /** Inserts all keys into an empty table; a time for each batch. */
  insert(batch: number): Promise<readonly number[]>;
  /** Moves the table into huge pages, if the run has them. */
  settle(): Promise<void>;
  /** Finds ids, all present, and copies their weights out. */
  lookup(slice: Slice): Promise<number>;
  /** One Adagrad step for each distinct id of the batch. */
  update(slice: Slice): Promise<number>;
  /** Sums the gradients of equal ids, then one Adagrad step for each. */
  dedupe(slice: Slice): Promise<number>;
  /** Σ of all weights of the first `count` draws, on which all contenders must agree. */
  sum(distribution: Distribution, count: number): Promise<number>;
  close(): Promise<void>;
}
