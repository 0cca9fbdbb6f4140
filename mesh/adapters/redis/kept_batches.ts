/**
 * The batches of a partition that are not known to be durable: a restart of the server or a
 * failover may lose them. Those for which no caller waits are made sure of together, whenever they
 * are many or some seconds old.
 */
import type { Batch } from "./append_batch.ts";

/** Bytes that are kept, and for which no caller waits, until they are made sure of. */
const BYTES_MAX = 2 ** 20;

export interface KeptBatchesOptions {
  /** Age at which batches are made sure of, ms. */
  readonly ageMsMax: number;
  /** Called when some have reached that age. */
  onOld(): void;
}

export class KeptBatches {
  readonly #options: KeptBatchesOptions;
  /** Oldest first. */
  #batches: Batch[] = [];
  #bytes = 0;
  #areOld = false;
  #aging: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: KeptBatchesOptions) {
    this.#options = options;
  }

  /** Oldest first. */
  get all(): readonly Batch[] {
    return this.#batches;
  }

  /** Whether a run of the server has all of them: the newest is sent last. */
  areIn(runId: string | undefined): boolean {
    const newest = this.#batches.at(-1);
    return newest === undefined || newest.runId === runId;
  }

  /** Whether a caller waits for a batch to be durable. */
  get areAwaited(): boolean {
    return this.#batches.some(isAwaited);
  }

  /** Whether they are to be made sure of now. */
  get mustConfirm(): boolean {
    if (this.#batches.length === 0) return false;
    return this.#areOld || this.#isClosed || this.#bytes > BYTES_MAX || this.areAwaited;
  }

  add(batch: Batch): void {
    this.#batches.push(batch);
    this.#bytes += batch.bytes;
    this.age();
  }

  /** Forgets batches that are durable, or need not become so; returns their bytes. */
  forget(batches: readonly Batch[]): number {
    const before = this.#bytes;
    const gone = new Set(batches);
    this.#batches = this.#batches.filter((batch) => !gone.has(batch));
    this.#bytes = this.#batches.reduce((sum, { bytes }) => sum + bytes, 0);
    return before - this.#bytes;
  }

  /** They were made sure of a moment ago: none is old. */
  confirmed(): void {
    this.#areOld = false;
  }

  /** Has the batches age from now on, unless they do. */
  age(): void {
    if (this.#batches.length === 0 || this.#aging !== undefined || this.#isClosed) return;
    this.#aging = setTimeout(() => {
      this.#aging = undefined;
      this.#areOld = true;
      this.#options.onOld();
    }, this.#options.ageMsMax);
    Deno.unrefTimer(Number(this.#aging));
  }

  /** All batches are to be made sure of from now on. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#aging);
  }
}

/** Whether a caller waits for the batch to be durable. */
export function isAwaited({ appends }: Batch): boolean {
  return appends.some(({ isSettled }) => !isSettled);
}
