/**
 * The records of a mesh in one hash of Redis: a record per field, as JSON.
 *
 * A transaction reads the fields in one script, decides here, and writes in a second script that
 * first compares the fields it has read. Where another process came between, the rule runs again
 * over newer records: at least one of the two transactions always makes progress.
 *
 * A view is returned only when the writes that it saw are durable, so no process acts on an epoch
 * that the server could forget and mint again.
 */
import { RECOVERY_STEP } from "../../ports/coordination.ts";
import {
  type Json,
  type RecordRule,
  RecordsLostError,
  type RecordStore,
  RecordStoreUnavailableError,
  type RecordView,
  type TransactOptions,
} from "../../ports/record_store.ts";
import { invariant } from "../../../structures/invariant.ts";
import { Listeners } from "../../runtime/listeners.ts";
import { NotDurableError } from "./durability_barrier.ts";
import { type RedisConnection, RedisUnavailableError } from "./redis_connection.ts";
import { RedisScript } from "./redis_script.ts";
import type { RedisServer } from "./redis_server.ts";
import { RUN_CHECK, type ServerRun } from "./server_runs.ts";

/** Field of the revision, which no record's key can be. */
const REVISION = "#revision";
/** Transactions that may come between before a transaction gives up. */
const CONFLICTS_MAX = 100;
/** Longest wait of one read of the change stream, ms. */
const BLOCK_MS = 5_000;

/** Returns the time, the revision and all fields, or those of ARGV. */
const readScript = new RedisScript<[now: string, revision: string | null, (string | null)[]]>(`
local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revision = redis.call('HGET', KEYS[1], '${REVISION}')
if #ARGV == 0 then return {now, revision, redis.call('HGETALL', KEYS[1])} end
return {now, revision, redis.call('HMGET', KEYS[1], unpack(ARGV))}
`);

/**
 * KEYS: runs, records, changes. ARGV: run id, expected revision or '', revisions to add, number of
 * compared fields, then for each the field, '1' or '0' for its presence, and its value; then the
 * same for each written field. Returns the new revision, or DIFFERS where a compared field does.
 *
 * Also on a server whose memory is full: the records are few, and hosts that cannot renew their
 * leases stand still, so that the logs would never be trimmed.
 */
const writeScript = new RedisScript<["OK", string] | ["DIFFERS"] | ["RUN"]>(`#!lua flags=allow-oom
${RUN_CHECK}
local records, changes = KEYS[2], KEYS[3]
if ARGV[2] ~= '' and (redis.call('HGET', records, '${REVISION}') or '0') ~= ARGV[2] then
  return {'DIFFERS'}
end
local at = 5
for _ = 1, tonumber(ARGV[4]) do
  local found = redis.call('HGET', records, ARGV[at])
  if ARGV[at + 1] == '1' then
    if found ~= ARGV[at + 2] then return {'DIFFERS'} end
  elseif found then
    return {'DIFFERS'}
  end
  at = at + 3
end
while at <= #ARGV do
  if ARGV[at + 1] == '1' then
    redis.call('HSET', records, ARGV[at], ARGV[at + 2])
  else
    redis.call('HDEL', records, ARGV[at])
  end
  at = at + 3
end
local steps = tonumber(ARGV[3])
if steps == 0 then return {'OK', redis.call('HGET', records, '${REVISION}') or '0'} end
local revision = string.format('%d', redis.call('HINCRBY', records, '${REVISION}', steps))
redis.call('XADD', changes, 'MAXLEN', 1, '0-' .. revision, 'r', '')
return {'OK', revision}
`);

export class RedisRecordStore implements RecordStore {
  readonly #server: RedisServer;
  readonly #records: string;
  readonly #changes: string;
  readonly #woken = new Listeners<[failure?: Error]>();
  #waits = 0;
  #watching: RedisConnection | undefined;
  /** The highest revision that was seen. */
  #seen = 0;
  /** The highest revision that is known to be durable. */
  #durable = 0;
  #run: ServerRun | undefined;
  #closed = false;

  constructor(server: RedisServer) {
    this.#server = server;
    this.#records = server.key("records");
    this.#changes = server.key("changes");
  }

  async transact<R>(rule: RecordRule<R>, options: TransactOptions = {}): Promise<R> {
    return await this.#available(async () => {
      for (let tries = 0; tries < CONFLICTS_MAX; tries++) {
        const runId = await this.#checkedRun();
        const read = await this.#read(options.keys);
        const attempt = new Attempt(read, options.keys);
        const result = rule(attempt.view);
        const revision = await this.#write(attempt, runId);
        if (revision === undefined) continue;
        this.#see(revision);
        if (attempt.isTold && options.durable !== false || read.revision > this.#durable) {
          await this.#server.barrier.pass(runId);
          this.#durable = Math.max(this.#durable, revision);
        }
        return result;
      }
      throw new Error(`${CONFLICTS_MAX} other transactions came between`);
    });
  }

  async watch(since: number, timeoutMs: number): Promise<number> {
    if (this.#seen > since || timeoutMs <= 0 || this.#closed) return this.#seen;
    this.#waits++;
    try {
      return await new Promise<number>((resolve, reject) => {
        const end = (failure?: Error) => {
          if (!failure && this.#seen <= since && !this.#closed) return;
          clearTimeout(timer);
          remove();
          if (failure) reject(this.#unavailable(failure));
          else resolve(this.#seen);
        };
        const timer = setTimeout(() => {
          remove();
          resolve(this.#seen);
        }, timeoutMs);
        const remove = this.#woken.add(end);
        void this.#follow();
      });
    } finally {
      this.#waits--;
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#watching?.close();
    this.#woken.tell();
    return Promise.resolve();
  }

  async #read(keys: readonly string[] | undefined): Promise<ReadRecords> {
    // A change may be heard of while the reply is on its way.
    const seenBefore = this.#seen;
    const [now, revision, found] = await readScript.run(
      this.#server.commands,
      [this.#records],
      keys ?? [],
    );
    const fields = new Map<string, string>();
    if (keys) {
      keys.forEach((key, i) => {
        const text = found[i];
        if (text !== null) fields.set(key, text);
      });
    } else {
      for (let i = 0; i < found.length; i += 2) {
        if (found[i] !== REVISION) fields.set(String(found[i]), String(found[i + 1]));
      }
    }
    const read = { nowMs: Number(now), revision: Number(revision ?? 0), fields };
    if (read.revision < seenBefore) {
      throw new RecordsLostError(this.#server.url, seenBefore, read.revision);
    }
    return read;
  }

  /** Undefined where another transaction came between. */
  async #write(attempt: Attempt, runId: string): Promise<number | undefined> {
    if (!attempt.isWriting) return attempt.view.revision;
    const { commands, runs } = this.#server;
    const [outcome, revision] = await writeScript.run(
      commands,
      [runs.key, this.#records, this.#changes],
      [runId, ...attempt.arguments()],
    );
    if (outcome === "RUN") runs.leave();
    return outcome === "OK" ? Number(revision) : undefined;
  }

  /** The server's run, after a check that no run since the last one began before our view. */
  async #checkedRun(): Promise<string> {
    const { runs } = this.#server;
    const run = await runs.current();
    if (this.#run && run.note !== this.#run.note) {
      const lowest = (await runs.lowestEnds(this.#run)).get("records") ?? Infinity;
      if (lowest < this.#durable && !await this.#isAccepted(lowest)) {
        throw new RecordsLostError(this.#server.url, this.#durable, lowest);
      }
    }
    this.#run = run;
    return run.id;
  }

  /** Whether an operator has accepted the loss of the revisions from `lowest` on. */
  async #isAccepted(lowest: number): Promise<boolean> {
    const revision = await this.#server.commands.send<string | null>(
      ["HGET", this.#records, REVISION],
    );
    return Number(revision ?? 0) >= lowest + RECOVERY_STEP;
  }

  #see(revision: number): void {
    if (revision <= this.#seen) return;
    this.#seen = revision;
    this.#woken.tell();
  }

  /** Reads the change stream while a watch waits. */
  async #follow(): Promise<void> {
    if (this.#watching) return;
    const connection = this.#watching = this.#server.waitingConnection();
    try {
      await connection.connect();
      while (this.#waits > 0 && !this.#closed) {
        const reply = await connection.send<[string, [string, string[]][]][] | null>(
          ["XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", this.#changes, `0-${this.#seen}`],
          BLOCK_MS,
        );
        const [id] = reply?.[0][1][0] ?? [];
        if (id !== undefined) this.#see(Number(id.slice(2)));
      }
    } catch (error) {
      if (!this.#closed) this.#woken.tell(error as Error);
    } finally {
      connection.close();
      this.#watching = undefined;
      if (this.#waits > 0 && !this.#closed && this.#server.commands.isReady) void this.#follow();
    }
  }

  async #available<R>(run: () => Promise<R>): Promise<R> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof RedisUnavailableError || error instanceof NotDurableError) {
        throw this.#unavailable(error);
      }
      throw error;
    }
  }

  #unavailable(cause: Error): RecordStoreUnavailableError {
    return new RecordStoreUnavailableError(`the Redis at ${this.#server.url}`, cause);
  }
}

interface ReadRecords {
  readonly nowMs: number;
  readonly revision: number;
  /** Texts by key; all records, or the declared keys that exist. */
  readonly fields: ReadonlyMap<string, string>;
}

/** One run of a rule over records that were read, and the keys that it has read and written. */
class Attempt {
  readonly view: RecordView;
  readonly #read: ReadRecords;
  readonly #compared = new Set<string>();
  readonly #written = new Map<string, string | undefined>();
  #listed = false;
  #steps = 0;

  constructor(read: ReadRecords, keys: readonly string[] | undefined) {
    this.#read = read;
    const value = (key: string): Json | undefined => {
      const text = this.#written.has(key) ? this.#written.get(key) : read.fields.get(key);
      return text === undefined ? undefined : JSON.parse(text);
    };
    const change = (key: string, text: string | undefined) => {
      invariant(key !== REVISION, "a record has another key than the revision");
      this.#written.set(key, text);
    };
    this.view = {
      nowMs: read.nowMs,
      revision: read.revision,
      get: (key) => {
        invariant(!keys || keys.includes(key), "a transaction declares the keys that it reads");
        this.#compared.add(key);
        return value(key);
      },
      entries: (prefix) => {
        invariant(!keys, "a transaction that lists records declares no keys");
        this.#listed = true;
        const all = new Set([...read.fields.keys(), ...this.#written.keys()]);
        return [...all].filter((key) => key.startsWith(prefix)).sort().flatMap((key) => {
          this.#compared.add(key);
          const present = value(key);
          return present === undefined ? [] : [[key, present] as const];
        });
      },
      set: (key, value) => {
        change(key, JSON.stringify(value));
        this.#steps = Math.max(1, this.#steps);
      },
      setQuietly: (key, value) => change(key, JSON.stringify(value)),
      delete: (key) => {
        change(key, undefined);
        this.#steps = Math.max(1, this.#steps);
      },
      skipRevisions: (steps) => void (this.#steps += steps),
    };
  }

  get isWriting(): boolean {
    return this.#written.size > 0 || this.isTold;
  }

  /** Whether watchers are told of the writes. */
  get isTold(): boolean {
    return this.#steps > 0;
  }

  /** The arguments of the write script. */
  arguments(): (string | number)[] {
    const entry = (
      key: string,
      text: string | undefined,
    ) => [key, text === undefined ? 0 : 1, text ?? ""];
    return [
      this.#listed ? this.#read.revision : "",
      this.#steps,
      this.#compared.size,
      ...[...this.#compared].flatMap((key) => entry(key, this.#read.fields.get(key))),
      ...[...this.#written].flatMap(([key, text]) => entry(key, text)),
    ];
  }
}
