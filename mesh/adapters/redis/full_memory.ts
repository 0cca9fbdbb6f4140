/**
 * The refusal of a command by a Redis server whose memory is full.
 */
import { LogFullError } from "../../ports/event_log.ts";
import type { RedisServer } from "./redis_server.ts";

/** Whether the server has refused a command because its memory is full; nothing was written. */
export function isOfFullMemory(error: unknown): boolean {
  return error instanceof Error && /^(OOM|ERR.*OOM)/.test(error.message);
}

/** The error of a server whose memory is full; undefined for other errors. */
export function fullMemory(
  error: unknown,
  log: string,
  { facts, url }: Pick<RedisServer, "facts" | "url">,
): LogFullError | undefined {
  if (!isOfFullMemory(error)) return undefined;
  const { maxmemoryBytes } = facts;
  const remedy =
    `that is the maxmemory of the Redis at ${url}: raise it or let the consumers of its logs catch up`;
  return new LogFullError(log, maxmemoryBytes, maxmemoryBytes, remedy);
}
