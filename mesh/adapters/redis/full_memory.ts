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
  { url }: Pick<RedisServer, "url">,
): LogFullError | undefined {
  if (!isOfFullMemory(error)) return undefined;
  return new LogFullError(
    log,
    `takes no records: the memory of the Redis at ${url} is full; raise its maxmemory, or let the ` +
      "consumers of its logs catch up",
    true,
  );
}
