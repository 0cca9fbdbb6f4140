/**
 * Runs of the server's process, numbered, with the ends of all stores at the start of each.
 *
 * A restart or a failover may lose the newest writes, and other processes may write again before
 * this one looks: comparing ends would then find nothing. So every write names the run that its
 * writer has entered, and is refused under another one; the first process that enters a run notes
 * the ends before anything is written in it. Each store compares its known ends with these notes.
 */
import { RedisScript } from "./redis_script.ts";
import type { RedisConnection } from "./redis_connection.ts";

/** A run of the server. */
export interface ServerRun {
  /** The server's `run_id`. */
  readonly id: string;
  /** From 1, by one with each run that was entered. */
  readonly number: number;
}

/** Runs whose notes are retained. */
const NOTES_MAX = 256;

/**
 * KEYS: runs. ARGV: run id, prefix of the mesh's keys. Fields of runs: `current`, `count`, `at:n`
 * (the ends at the start of run n, as JSON), `log:name` (number of partitions).
 *
 * This and the next script also run on a server whose memory is full: without them no process could
 * connect again, and those that trim the logs make room.
 */
const enterScript = new RedisScript<string>(`#!lua flags=allow-oom
local runs, prefix = KEYS[1], ARGV[2]
local count = tonumber(redis.call('HGET', runs, 'count') or '0')
if redis.call('HGET', runs, 'current') == ARGV[1] then return string.format('%d', count) end
local ends = { records = tonumber(redis.call('HGET', prefix .. 'records', '#revision') or '0') }
local fields = redis.call('HGETALL', runs)
for i = 1, #fields, 2 do
  local log = string.match(fields[i], '^log:(.*)$')
  if log then
    for p = 0, tonumber(fields[i + 1]) - 1 do
      ends[log .. '/' .. p] = tonumber(redis.call('HGET', prefix .. 'log:' .. log, 'next:' .. p) or '0')
    end
  end
end
count = count + 1
redis.call('HSET', runs, 'current', ARGV[1], 'count', count, 'at:' .. count, cjson.encode(ends))
redis.call('HDEL', runs, 'at:' .. (count - ${NOTES_MAX}))
return string.format('%d', count)
`);

/** KEYS: runs. ARGV: field, number of partitions. */
const registerScript = new RedisScript<number>(`#!lua flags=allow-oom
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
`);

/** Lua that refuses a script under another run: `KEYS[1]` is runs, `ARGV[1]` the run's id. */
export const RUN_CHECK = `
if redis.call('HGET', KEYS[1], 'current') ~= ARGV[1] then return {'RUN'} end
`;

export class ServerRuns {
  /** The hash of the runs. */
  readonly key: string;
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  #entered: ServerRun | undefined;

  /** @param prefix Prefix of the mesh's keys. */
  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.key = `${prefix}runs`;
  }

  /**
   * The server's present run, entered.
   *
   * @throws {RedisUnavailableError} The server does not answer.
   */
  async current(): Promise<ServerRun> {
    const { runId } = this.#connection;
    if (this.#entered?.id === runId && this.#connection.isReady) return this.#entered;
    const number = await enterScript.run(this.#connection, [this.key], [runId, this.#prefix]);
    return this.#entered = { id: runId, number: Number(number) };
  }

  /** Forgets the run, after the server said that another one is current. */
  leave(): void {
    this.#entered = undefined;
  }

  /**
   * The lowest end of each store at the starts of the runs after `run`, by the store's name:
   * `records`, or a log's name and partition, `events/0`.
   */
  async lowestEnds(run: ServerRun, now: ServerRun): Promise<ReadonlyMap<string, number>> {
    const lowest = new Map<string, number>();
    if (run.number === now.number) return lowest;
    const first = Math.max(run.number + 1, now.number - NOTES_MAX + 1);
    const fields = Array.from({ length: now.number - first + 1 }, (_, i) => `at:${first + i}`);
    const notes = await this.#connection.send<(string | null)[]>(["HMGET", this.key, ...fields]);
    for (const note of notes) {
      if (note === null) continue;
      for (const [name, end] of Object.entries(JSON.parse(note) as Record<string, number>)) {
        lowest.set(name, Math.min(end, lowest.get(name) ?? Infinity));
      }
    }
    return lowest;
  }

  /** Has the ends of a log noted from now on. */
  async registerLog(name: string, partitions: number): Promise<void> {
    await registerScript.run(this.#connection, [this.key], [`log:${name}`, partitions]);
  }
}
