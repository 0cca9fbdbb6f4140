/**
 * How much a log holds, and why it has refused the last append, as far as this process knows:
 * readiness probes and metrics read both without waiting for the server.
 */
import {
  LogFullError,
  LogOffsetError,
  LogUnavailableError,
  type LogUsage,
  StaleWriterError,
} from "../../ports/event_log.ts";
import { KeyTakenError } from "./append_batch.ts";
import type { RedisConnection } from "./redis_connection.ts";

/** Age at which the numbers are read again, ms. */
const AGE_MS = 1_000;

/** A claimed partition, and the epoch under which a writer appends to it. */
export interface WriterClaim {
  readonly partition: number;
  readonly epoch: number;
}

export class LogRoom {
  readonly #connection: Pick<RedisConnection, "send">;
  readonly #key: string;
  readonly #bytesMax: number;
  #bytes = 0;
  #readAtMs = -Infinity;
  #refusal: { readonly error: Error; readonly claim: WriterClaim | undefined } | undefined;

  /** @param key The log's hash. */
  constructor(connection: Pick<RedisConnection, "send">, key: string, bytesMax: number) {
    this.#connection = connection;
    this.#key = key;
    this.#bytesMax = bytesMax;
  }

  /** The usage as it was read last; reads it again where that was long ago. */
  usage(): LogUsage {
    if (performance.now() - this.#readAtMs > AGE_MS) this.read().catch(() => {});
    return { bytes: this.#bytes, bytesMax: this.#bytesMax };
  }

  /** The refusal of a log whose server answers. */
  refusal(): Error | undefined {
    // The server was away, and is there again: the next append is tried.
    if (this.#refusal?.error instanceof LogUnavailableError) this.#refusal = undefined;
    this.usage();
    return this.#refusal?.error;
  }

  /** The server has told the bytes that the log holds. */
  held(bytes: number): void {
    this.#readAtMs = performance.now();
    const isLess = bytes < this.#bytes;
    this.#bytes = bytes;
    if (isLess && this.#refusal?.error instanceof LogFullError) this.#refusal = undefined;
  }

  /**
   * Takes the outcome of an append: why it was refused, or undefined where it was taken.
   *
   * @param claim Absent = it was made under none.
   */
  appended(error: Error | undefined, claim?: WriterClaim): void {
    if (error === undefined) this.#refusal = undefined;
    else if (!isOfAppend(error)) this.#refusal = { error, claim };
  }

  async read(): Promise<void> {
    this.#readAtMs = performance.now();
    const refusal = this.#refusal;
    const { claim } = refusal ?? {};
    const fields = ["bytes", ...(claim ? [`epoch:${claim.partition}`] : [])];
    const [bytes, epoch] = await this.#connection.send<(string | null)[]>(
      ["HMGET", this.#key, ...fields],
    );
    this.held(Number(bytes ?? 0));
    // Another process writes the partition by now, and says itself whether the log takes it.
    const isOver = claim !== undefined && Number(epoch ?? 0) > claim.epoch;
    if (isOver && this.#refusal === refusal) this.#refusal = undefined;
  }
}

/** Whether an append is refused for what it is, while the log takes others. */
function isOfAppend(error: Error): boolean {
  return error instanceof KeyTakenError || error instanceof StaleWriterError ||
    error instanceof LogOffsetError;
}
