/**
 * Appends of several writers to one partition of a log in Redis. A record is appended once by its
 * id, and a mark by its time, so that neither needs the sequence of a writer to be sent again.
 */
import {
  type LogMark,
  LogUnavailableError,
  type MarkedPartition,
  type OnceOutcome,
  type OnceRecord,
} from "../../ports/event_log.ts";
import { refusalOf } from "./append_batch.ts";
import { fullMemory } from "./full_memory.ts";
import type { LogCommands } from "./log_commands.ts";
import type { LogKeys } from "./log_keys.ts";
import { appendOnceScript, markScript } from "./log_scripts.ts";
import { OnceArguments } from "./once_arguments.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";

/** The parts of a log that its shared appends use. */
export interface SharedAppendsParts {
  readonly server: RedisServer;
  readonly commands: LogCommands;
  /** The log in words, for errors. */
  readonly log: string;
  readonly keys: LogKeys;
  /** A fresh uuid of this process. */
  readonly writer: string;
  readonly bytesMax: number;
  /** Time for which ids are retained, ms. */
  readonly idsRetainedMs: number;
  /** Time without a connection after which appends are refused at once, ms. */
  readonly awayAfterMs: number;
  /** @throws {RangeError} When there is no such partition. */
  streamOf(partition: number): string;
  /** Resolves when a run has the rankings of this process that an earlier one may have lost. */
  complete(partition: number, runId: string): Promise<void>;
  onBytes(bytes: number): void;
  /** Why the last append was refused; undefined after one that was taken. */
  onRefusal(refusal: Error | undefined): void;
}

/** Keys that the server must have in the step of an append, with a value. */
export interface NeededKeys {
  readonly keys: readonly string[];
  /** A value that ends so counts as none. */
  readonly voidEnd: Uint8Array;
  /** One is not there. Returns whether it may still come, so that the append waits. */
  onMissing(): boolean;
}

export class SharedAppends {
  readonly #parts: SharedAppendsParts;
  /** Records sent by {@link appendOnce}, for their tokens. */
  #onceSent = 0;

  constructor(parts: SharedAppendsParts) {
    this.#parts = parts;
  }

  /** See {@link EventLog.appendOnce}. */
  async appendOnce(
    partition: number,
    records: readonly OnceRecord[],
    needed?: NeededKeys,
  ): Promise<OnceOutcome[]> {
    const { server, commands, log, keys, writer, bytesMax, idsRetainedMs, streamOf } = this.#parts;
    const scriptKeys = [
      server.runs.key,
      keys.log,
      streamOf(partition),
      keys.urgent,
      ...needed?.keys ?? [],
    ];
    const sent = records.map((record) =>
      new OnceArguments(record, `${writer}:${this.#onceSent++}`)
    );
    return await this.#again(async () => {
      const runId = await commands.checkedRun();
      await this.#parts.complete(partition, runId);
      const reply = await commands.atomic((run) =>
        appendOnceScript.run(server.commands, scriptKeys, [
          run,
          partition,
          bytesMax,
          idsRetainedMs,
          `${keys.log}:once:`,
          needed?.voidEnd ?? "",
          ...sent.flatMap((each) => each.values),
        ])
      );
      if (reply[0] === "MISSING") throw this.#missing(needed?.onMissing() ?? false);
      if (reply[0] !== "OK") throw refusalOf(reply, undefined, { log, partition, bytesMax });
      const [, held, end, values] = reply;
      // Also an earlier record is durable when its repetition is answered.
      await server.barrier.pass(runId);
      this.#parts.onRefusal(undefined);
      this.#parts.onBytes(Number(held));
      commands.durableTo(partition, Number(end));
      return values.map((value, i) => sent[i].outcomeOf(value));
    });
  }

  /** See {@link EventLog.mark}. */
  async mark(
    partitions: readonly MarkedPartition[],
    { bytes, acceptedAtMs }: LogMark,
  ): Promise<number[]> {
    const { server, commands, log, keys, bytesMax, streamOf } = this.#parts;
    const streams = partitions.map(({ partition }) => streamOf(partition));
    return await this.#again(async () => {
      // Also a record that is there already is durable when it is answered.
      const reply = await commands.durable((run) =>
        markScript.run(server.commands, [server.runs.key, keys.log, keys.urgent, ...streams], [
          run,
          bytesMax,
          acceptedAtMs,
          bytes,
          ...partitions.flatMap(({ partition, unlessAfterMs }) => [partition, unlessAfterMs]),
        ])
      );
      const [{ partition }] = partitions;
      if (reply[0] !== "OK") throw refusalOf(reply, undefined, { log, partition, bytesMax });
      const [, held, newest, ends] = reply;
      this.#parts.onBytes(Number(held));
      partitions.forEach(({ partition }, i) => commands.durableTo(partition, Number(ends[i])));
      return newest.map(Number);
    });
  }

  /** The error of an append that needs a key; {@link #again} waits for one that may come. */
  #missing(mayCome: boolean): Error {
    const { server, log } = this.#parts;
    const cause = new Error("Redis lacks a ranking that the records are on");
    if (mayCome) return new RedisUnavailableError(server.url, false, cause);
    return new LogUnavailableError(log, "Send the events again.", cause, true);
  }

  /** Makes an append, again while the server is away; tells of the refusal that ends it. */
  async #again<R>(append: () => Promise<R>): Promise<R> {
    const { server, commands, log, awayAfterMs, onRefusal } = this.#parts;
    try {
      const { downMs, failure } = server.commands;
      if (failure !== undefined && downMs > awayAfterMs) throw commands.unavailable(failure);
      return await commands.again(append);
    } catch (error) {
      const refusal = fullMemory(error, log, server) ?? error as Error;
      onRefusal(refusal);
      throw refusal;
    }
  }
}
