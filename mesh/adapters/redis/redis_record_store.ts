/**
 * The records of a mesh in one hash of Redis: a record per field, as JSON.
 *
 * A transaction reads the fields in one script, decides here, and writes in a second script that
 * first compares the fields it has read. Where another process came between, the rule runs again
 * over newer records: at least one of the two transactions always makes progress.
 *
 * A view is returned only when the writes that it saw are durable, so no process acts on an epoch
 * that the server could forget and mint again. So only a loss of durable writes stops the mesh: a
 * failover may lose others, whose writers get an error.
 */
import { RECOVERY_STEP } from "../../ports/coordination.ts";
import {
  isApart,
  type RecordRule,
  RecordsLostError,
  type RecordStore,
  RecordStoreUnavailableError,
  type TransactOptions,
} from "../../ports/record_store.ts";
import { Listeners } from "../../runtime/listeners.ts";
import { tellLostRecords } from "./lost_records.ts";
import { NotDurableError } from "./durability_barrier.ts";
import { type RedisConnection, RedisUnavailableError } from "./redis_connection.ts";
import { type ReadRecords, RecordAttempt } from "./record_attempt.ts";
import { readScript, REVISION, writeScript } from "./record_scripts.ts";
import type { RedisServer } from "./redis_server.ts";
import { type ServerRun, sharedEnds } from "./server_past.ts";

/** Transactions that may come between before a transaction gives up. */
const CONFLICTS_MAX = 100;
/** Longest wait of one read of the change stream, ms. */
const BLOCK_MS = 5_000;

export class RedisRecordStore implements RecordStore {
  readonly #server: RedisServer;
  readonly #records: string;
  readonly #apart: string;
  readonly #changes: string;
  readonly #woken = new Listeners<[failure?: Error]>();
  #waits = 0;
  #watching: RedisConnection | undefined;
  /** The highest revision of the run that was seen; its writes may be lost while not durable. */
  #seen = 0;
  /** The highest revision that is known to be durable. */
  #durable = 0;
  #run: ServerRun | undefined;
  #closed = false;

  constructor(server: RedisServer) {
    this.#server = server;
    this.#records = server.key("records");
    this.#apart = server.key("records:apart");
    this.#changes = server.key("changes");
  }

  async transact<R>(rule: RecordRule<R>, options: TransactOptions = {}): Promise<R> {
    return await this.#available(async () => {
      for (let tries = 0; tries < CONFLICTS_MAX; tries++) {
        const runId = await this.#checkedRun();
        const read = await this.#read(options, runId);
        if (read === undefined) continue;
        const attempt = new RecordAttempt(read, options);
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

  /** Undefined where another run of the server has begun. */
  async #read({ keys }: TransactOptions, runId: string): Promise<ReadRecords | undefined> {
    // Newer writes may be confirmed while the reply is on its way.
    const durableBefore = this.#durable;
    const declared = keys?.filter((key) => !isApart(key));
    const declaredApart = (keys ?? []).filter(isApart);
    const { commands, runs } = this.#server;
    const reply = await readScript.run(
      commands,
      [runs.key, this.#records, this.#apart],
      [runId, declared ? 0 : 1, declared?.length ?? 0, ...declared ?? [], ...declaredApart],
    );
    if (reply[0] === "RUN") {
      runs.leave();
      return undefined;
    }
    const [, now, revision, found, foundApart] = reply;
    const fields = new Map<string, string>();
    const add = (names: readonly string[], texts: readonly (string | null)[]) =>
      names.forEach((key, i) => {
        const text = texts[i];
        if (text !== null) fields.set(key, text);
      });
    add(declaredApart, foundApart);
    if (declared) add(declared, found);
    else {
      for (let i = 0; i < found.length; i += 2) {
        if (found[i] !== REVISION) fields.set(String(found[i]), String(found[i + 1]));
      }
    }
    const read = { nowMs: Number(now), revision: Number(revision ?? 0), fields };
    if (read.revision < durableBefore) {
      throw new RecordsLostError(this.#server.url, durableBefore, read.revision);
    }
    return read;
  }

  /** Undefined where another transaction came between. */
  async #write(attempt: RecordAttempt, runId: string): Promise<number | undefined> {
    if (!attempt.isWriting) return attempt.view.revision;
    const { commands, runs } = this.#server;
    const [outcome, revision] = await writeScript.run(
      commands,
      [runs.key, this.#records, this.#changes, this.#apart],
      [runId, ...attempt.arguments()],
    );
    if (outcome === "RUN") runs.leave();
    return outcome === "OK" ? Number(revision) : undefined;
  }

  /** The server's run, after a check that the server has all of our view. */
  async #checkedRun(): Promise<string> {
    const { runs } = this.#server;
    const run = await runs.current();
    if (this.#run && run.id !== this.#run.id) {
      const [shared] = sharedEnds(this.#run, run, ["records"]);
      if (shared < this.#durable && !await this.#isAccepted(shared)) {
        throw new RecordsLostError(this.#server.url, this.#durable, shared);
      }
      // Unconfirmed writes may be lost: other ones get their revisions, and wake the watchers too.
      this.#seen = Math.min(this.#seen, Math.max(this.#durable, shared));
    }
    this.#run = run;
    return run.id;
  }

  /** Whether an operator has accepted the loss of the revisions from `shared` on. */
  async #isAccepted(shared: number): Promise<boolean> {
    const revision = await this.#server.commands.send<string | null>(
      ["HGET", this.#records, REVISION],
    );
    return Number(revision ?? 0) >= shared + RECOVERY_STEP;
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
        const run = this.#run;
        const reply = await connection.send<[string, [string, string[]][]][] | null>(
          ["XREAD", "COUNT", 1, "BLOCK", BLOCK_MS, "STREAMS", this.#changes, `0-${this.#seen}`],
          BLOCK_MS,
        );
        const [id] = reply?.[0][1][0] ?? [];
        // A late reply of an earlier run may tell of a lost write; the next read tells it again.
        if (id !== undefined && run === this.#run) this.#see(Number(id.slice(2)));
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
      if (error instanceof RecordsLostError) await tellLostRecords(this.#server, error);
      throw error;
    }
  }

  #unavailable(cause: Error): RecordStoreUnavailableError {
    return new RecordStoreUnavailableError(`the Redis at ${this.#server.url}`, cause);
  }
}
