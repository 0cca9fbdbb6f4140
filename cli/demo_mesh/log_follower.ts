/**
 * Reads every record of a log while the mesh runs, before it is trimmed.
 */
import { setTimeout as pause } from "node:timers/promises";
import { RedisEventLog } from "../../mesh/adapters/redis/redis_event_log.ts";
import { RedisServer } from "../../mesh/adapters/redis/redis_server.ts";
import { CommandError } from "../errors.ts";

/** Records of one read. */
const RECORDS_MAX = 256;
/** Pause between two reads, ms. */
const POLL_MS = 200;

export class LogFollower {
  readonly #server: RedisServer;
  readonly #log: RedisEventLog;
  readonly #onRecord: (bytes: Uint8Array) => void;
  /** Next offset of each partition. */
  readonly #offsets: number[];
  readonly #following: Promise<void>;
  #closed = false;

  private constructor(
    server: RedisServer,
    log: RedisEventLog,
    onRecord: (bytes: Uint8Array) => void,
  ) {
    this.#server = server;
    this.#log = log;
    this.#onRecord = onRecord;
    this.#offsets = Array.from({ length: log.partitions }, () => 0);
    this.#following = this.#follow();
    this.#following.catch(() => {});
  }

  /** Begins to read, from the first record on. */
  static async open(
    url: string,
    { name, partitions }: { readonly name: string; readonly partitions: number },
    onRecord: (bytes: Uint8Array) => void,
  ): Promise<LogFollower> {
    const server = await RedisServer.open({ url, mesh: "demo" });
    const log = await RedisEventLog.open({
      server,
      name,
      partitions,
      bytesMax: 2 ** 40,
      writer: crypto.randomUUID(),
    });
    return new LogFollower(server, log, onRecord);
  }

  /** Reads up to the present end; fails where reading has failed. */
  async catchUp(): Promise<void> {
    this.#closed = true;
    await this.#following;
    await this.#readAll();
  }

  close(): void {
    this.#closed = true;
    void this.#log.close().then(() => this.#server.close(), () => {});
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      // The server may be away for a moment.
      await this.#readAll().catch((error) => {
        if (error instanceof CommandError) throw error;
      });
      await pause(POLL_MS);
    }
  }

  async #readAll(): Promise<void> {
    for (let partition = 0; partition < this.#offsets.length; partition++) {
      for (;;) {
        const records = await this.#log.read(partition, this.#offsets[partition], RECORDS_MAX);
        for (const { offset, bytes } of records) {
          if (offset !== this.#offsets[partition]) {
            throw new CommandError(
              `Record ${this.#offsets[partition]} of the log was trimmed before it was read.`,
            );
          }
          this.#onRecord(bytes);
          this.#offsets[partition]++;
        }
        if (records.length < RECORDS_MAX) break;
      }
    }
  }
}
