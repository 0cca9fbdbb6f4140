/**
 * Offsets up to which consumers of a log have handled its records: a field of a hash for each
 * partition and consumer.
 */
import type { LogCommands } from "./log_commands.ts";
import { commitScript } from "./log_scripts.ts";
import type { RedisServer } from "./redis_server.ts";

export class ConsumerOffsets {
  readonly #server: RedisServer;
  readonly #commands: LogCommands;
  readonly #key: string;

  /** @param key The hash. */
  constructor(server: RedisServer, commands: LogCommands, key: string) {
    this.#server = server;
    this.#commands = commands;
    this.#key = key;
  }

  /** Resolves when the offset is durable. */
  async commit(consumer: string, partition: number, offset: number): Promise<void> {
    const { runs, commands } = this.#server;
    await this.#commands.again(() =>
      this.#commands.durable((runId) =>
        commitScript.run(commands, [runs.key, this.#key], [
          runId,
          fieldOf(consumer, partition),
          offset,
        ])
      )
    );
  }

  /** 0 where the consumer has committed none. */
  async committed(consumer: string, partition: number): Promise<number> {
    const command = ["HGET", this.#key, fieldOf(consumer, partition)];
    return await this.#commands.again(async () =>
      Number(await this.#server.commands.send<string | null>(command) ?? 0)
    );
  }

  /**
   * Compares the offsets of all consumers with the ends of the partitions.
   *
   * @throws {LogTailLostError} A consumer has handled records that the log does not have.
   */
  async check(ends: readonly number[]): Promise<void> {
    const offsets = await this.#server.commands.send<string[]>(["HGETALL", this.#key]);
    for (let i = 0; i < offsets.length; i += 2) {
      const partition = Number.parseInt(offsets[i]);
      const committed = Number(offsets[i + 1]);
      if (committed > (ends[partition] ?? 0)) {
        this.#commands.tailLost(partition, committed, ends[partition]);
      }
    }
  }
}

function fieldOf(consumer: string, partition: number): string {
  return `${partition} ${consumer}`;
}
