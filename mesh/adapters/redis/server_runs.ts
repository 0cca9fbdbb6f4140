/**
 * Runs of the server as a primary, numbered, with the ends of all stores at the start of each.
 *
 * A restart or a failover may lose the newest writes, and other processes may write again before
 * this one looks: comparing ends would then find nothing. So every write, and every read of the
 * mesh's records, names the run that its process has entered, and is refused under another one; the
 * first process that enters a run notes the ends before anything is written in it. The notes are
 * the server's past. Each store compares the past that it knew with that of the run that its
 * process enters: what both have ends where they part ({@link sharedEnds}).
 *
 * A run has the server's replication id, which the scripts read themselves, and the name of its
 * note. The server takes a new id at each start of its process and at each promotion. The `run_id`
 * would not do: it names the process, which may have been a replica meanwhile, and then lacks the
 * writes that the primary between did not have. A server that gets its first replica takes a new id
 * too: that run has lost nothing. The note tells of a server whose keys were deleted (`FLUSHALL`)
 * or that was filled with older ones, under the same id: the next run has another note.
 */
import { RedisScript } from "./redis_script.ts";
import type { RedisConnection } from "./redis_connection.ts";
import type { RunNote, ServerRun } from "./server_past.ts";

/** The server's replication id in the id of a run. */
export function replicationIdOf(runId: string): string {
  return runId.slice(0, runId.indexOf(" "));
}

/** Runs whose notes are retained. */
const NOTES_MAX = 256;

/** Lua that reads the id of the present run into `run`, where a process has entered it. */
export const PRESENT_RUN = `
local run = redis.call('HGET', KEYS[1], 'run')
local replication = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
if run and string.match(run, '^%w+') ~= replication then run = false end
`;

/**
 * KEYS: runs. ARGV: prefix of the mesh's keys, name of a new note. Returns the id of the present
 * run and the name and the ends of each retained note, that of the present run last. Fields of
 * runs: `run` (the run that was entered last), `count`, `at:n` (the ends at the start of run n, as
 * JSON), `note:n` (the name of that note), `log:name` (number of partitions).
 *
 * A fail-over may lose notes, and another run then gets their numbers; so notes are compared by
 * name.
 *
 * This and the next script also run on a server whose memory is full: without them no process could
 * connect again, and those that trim the logs make room.
 */
const enterScript = new RedisScript<string[]>(`#!lua flags=allow-oom
${PRESENT_RUN}
local runs, prefix = KEYS[1], ARGV[1]
local count = tonumber(redis.call('HGET', runs, 'count') or '0')
if not run then
  local ends = {
    records = tonumber(redis.call('HGET', prefix .. 'records', '#revision') or '0'),
    profiles = tonumber(redis.call('GET', prefix .. 'profiles:number') or '0'),
  }
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
  run = replication .. ' ' .. ARGV[2]
  redis.call('HSET', runs, 'run', run, 'count', count, 'at:' .. count, cjson.encode(ends),
    'note:' .. count, ARGV[2])
  redis.call('HDEL', runs, 'at:' .. (count - ${NOTES_MAX}), 'note:' .. (count - ${NOTES_MAX}))
end
local reply = { run }
for n = math.max(1, count - ${NOTES_MAX} + 1), count do
  table.insert(reply, redis.call('HGET', runs, 'note:' .. n))
  table.insert(reply, redis.call('HGET', runs, 'at:' .. n))
end
return reply
`);

/** KEYS: runs. ARGV: field, number of partitions, which another process may have raised by now. */
const registerScript = new RedisScript<number>(`#!lua flags=allow-oom
local known = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
return redis.call('HSET', KEYS[1], ARGV[1], math.max(known, tonumber(ARGV[2])))
`);

/**
 * Lua that refuses a script under another run, or under one that no process has entered yet:
 * `KEYS[1]` is runs, `ARGV[1]` the run's id.
 */
export const RUN_CHECK = `
${PRESENT_RUN}
if run ~= ARGV[1] then return {'RUN'} end
`;

export class ServerRuns {
  /** The hash of the runs. */
  readonly key: string;
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  #entered: ServerRun | undefined;
  /** All callers share one script: its answer has the notes of hundreds of runs. */
  #entering: Promise<ServerRun> | undefined;
  /** When the run was entered, on the monotonic clock, ms. */
  #enteredAtMs = 0;
  /** The run that was entered last; "" before the first one. */
  #newestId = "";
  /** When another run than the one before was entered, on the monotonic clock, ms. */
  #changedAtMs = -Infinity;

  /** @param prefix Prefix of the mesh's keys. */
  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.key = `${prefix}runs`;
    // The server of a new connection may have other notes, also where its run is the same.
    connection.onReady(() => this.leave());
  }

  /** Has the run entered anew when another connection of the process finds another one. */
  compareWith(connection: RedisConnection): void {
    connection.onReady(() => {
      const { id = " " } = this.#entered ?? {};
      if (connection.replicationId !== replicationIdOf(id)) this.leave();
    });
  }

  /**
   * The server's present run, entered.
   *
   * @throws {RedisUnavailableError} The server does not answer.
   */
  async current(): Promise<ServerRun> {
    if (this.#entered !== undefined && this.#connection.isReady) return this.#entered;
    this.#entering ??= this.#enter().finally(() => this.#entering = undefined);
    return await this.#entering;
  }

  async #enter(): Promise<ServerRun> {
    const [id, ...notes] = await enterScript.run(
      this.#connection,
      [this.key],
      [this.#prefix, crypto.randomUUID()],
    );
    this.#enteredAtMs = performance.now();
    if (this.#newestId !== "" && this.#newestId !== id) this.#changedAtMs = this.#enteredAtMs;
    this.#newestId = id;
    const past: RunNote[] = [];
    for (let i = 0; i < notes.length; i += 2) past.push({ name: notes[i], ends: notes[i + 1] });
    return this.#entered = { id, past };
  }

  /** Time for which this process has known the present run, ms; 0 before it has entered it. */
  get enteredMs(): number {
    return this.#entered === undefined ? 0 : performance.now() - this.#enteredAtMs;
  }

  /** Time since this process has found another run in place of an earlier one, ms. */
  get changedMs(): number {
    return performance.now() - this.#changedAtMs;
  }

  /** Forgets the run, after the server said that another one is current. */
  leave(): void {
    this.#entered = undefined;
    this.#entering = undefined;
  }

  /** Has the ends of a log noted from now on. */
  async registerLog(name: string, partitions: number): Promise<void> {
    await registerScript.run(this.#connection, [this.key], [`log:${name}`, partitions]);
  }
}
