/**
 * A Lua script that the server runs as one atomic step. It is sent by its digest, and whole where
 * the server has not seen it since its start.
 */
import { createHash } from "node:crypto";
import type { RedisArgument, RedisConnection } from "./redis_connection.ts";

export class RedisScript<Reply> {
  readonly #source: string;
  readonly #digest: string;

  constructor(source: string) {
    this.#source = source;
    this.#digest = createHash("sha1").update(source).digest("hex");
  }

  /** Runs the script; every key that it touches is in `keys`. */
  async run(
    connection: RedisConnection,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<Reply> {
    const rest = [keys.length, ...keys, ...args];
    try {
      return await connection.send<Reply>(["EVALSHA", this.#digest, ...rest]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return await connection.send<Reply>(["EVAL", this.#source, ...rest]);
    }
  }
}
