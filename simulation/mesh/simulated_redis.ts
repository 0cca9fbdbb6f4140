/**
 * The Redis server of a simulated mesh, with its rules at the level of the production ports: the
 * records of coordination, the logs, the rankings of gateways. Every command is one atomic step, as
 * the Lua scripts are.
 *
 * A fail-over goes back to the state of some time ago, as to a replica that lagged: everything that
 * was written since is lost, whether it was answered or not. Each start of the server is a run of
 * its own with a note of the ends at its begin, and clients compare these by the production rule.
 */
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import { logBudgets } from "../../mesh/adapters/redis/log_budgets.ts";
import type { ServerRun } from "../../mesh/adapters/redis/server_past.ts";
import type { PlacedKind, Placement } from "../../mesh/ports/coordination.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type {
  Json,
  RecordRule,
  RecordStore,
  TransactOptions,
} from "../../mesh/ports/record_store.ts";
import { Journal } from "./journal.ts";
import { RedisAwayError } from "./redis_link.ts";
import { LogState, type LogStateObserver } from "./log_state.ts";

/** A ranking of a gateway: hashes of its items. */
export type RememberedRanking = readonly number[];

/** Takes a placement before and after a change; undefined where there was none. */
export type PlacedObserver = (
  key: string,
  before: Placement | undefined,
  after: Placement,
) => void;

const placedKinds: Readonly<Record<PlacedKind, true>> = {
  shard: true,
  events: true,
  trainer: true,
};
const PLACED = new RegExp(`^(${Object.keys(placedKinds).join("|")})/\\d+$`);

/** The surroundings of a server. */
export interface SimulatedRedisOptions {
  readonly clock: Clock;
  readonly observer: LogStateObserver;
  /** Told of each change of a placement. */
  readonly onPlaced: PlacedObserver;
  /** Time for which ids of records that are appended once are retained, ms. */
  readonly idsRetainedMs?: number | undefined;
}

type Entries = readonly (readonly [key: string, value: Json])[];

interface RecordsAtMoment {
  readonly entries: Entries;
  readonly revision: number;
}

export class SimulatedRedis {
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #observer: LogStateObserver;
  readonly #onPlaced: PlacedObserver;
  readonly #logs = new Map<string, LogState>();
  readonly #rankings = new Map<string, RememberedRanking>();
  #records: MemoryRecordStore;
  #revision = 0;
  /** The records as they are now. */
  #current: Entries = [];
  /** The records to which a fail-over goes back. */
  #restored: RecordsAtMoment | undefined;
  #run: ServerRun = { id: "0", past: [{ name: "0", ends: "{}" }] };
  /** Runs that have begun after the first one. */
  #runs = 0;
  #isUp = true;
  #isReplicaCut = false;
  /** Until when a log takes nothing, by name, ms. */
  readonly #fullUntilMs = new Map<string, number>();
  /** Time for which ids of records that are appended once are retained, ms. */
  readonly idsRetainedMs: number;
  /** Commands that have run. */
  commands = 0;

  constructor(options: SimulatedRedisOptions) {
    const { clock, observer, onPlaced, idsRetainedMs = logBudgets.idsRetainedMs } = options;
    this.#onPlaced = onPlaced;
    this.#clock = clock;
    this.#observer = observer;
    this.idsRetainedMs = idsRetainedMs;
    this.#journal = new Journal(clock);
    this.#records = new MemoryRecordStore(clock);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get run(): ServerRun {
    return this.#run;
  }

  /** Revision of the records now. */
  get revision(): number {
    return this.#revision;
  }

  /** The log, made at its first use. */
  log(name: string, partitions: number): LogState {
    let log = this.#logs.get(name);
    if (log === undefined) {
      log = new LogState({
        name,
        partitions,
        clock: this.#clock,
        journal: this.#journal,
        observer: this.#observer,
        idsRetainedMs: this.idsRetainedMs,
        isFull: () => this.#clock.monotonicMs() < (this.#fullUntilMs.get(name) ?? 0),
      });
      this.#logs.set(name, log);
    }
    return log;
  }

  /** The log takes nothing for a time, as where the server has no memory. */
  refuseAppends(log: string, forMs: number): void {
    this.#fullUntilMs.set(log, this.#clock.monotonicMs() + forMs);
  }

  /** All logs take records again. */
  takeAppends(): void {
    this.#fullUntilMs.clear();
  }

  // ---- records

  /** One transaction over the records. */
  transact<R>(rule: RecordRule<R>, options?: TransactOptions): Promise<R> {
    const before = this.#revision;
    const store = this.#records;
    let isWriting = false;
    const result = store.transact((view) =>
      rule({
        ...view,
        set(key, value) {
          isWriting = true;
          view.set(key, value);
        },
        setQuietly(key, value) {
          isWriting = true;
          view.setQuietly(key, value);
        },
        delete(key) {
          isWriting = true;
          view.delete(key);
        },
      }), options);
    if (isWriting) this.#noteRecords(before);
    this.confirm();
    return result;
  }

  watch: RecordStore["watch"] = (since, timeoutMs) => this.#records.watch(since, timeoutMs);

  /** Keeps the records as they are now for a fail-over to this moment. */
  #noteRecords(revisionBefore: number): void {
    const before = this.#current;
    this.#current = this.#entries();
    this.#tellPlaced(before, this.#current);
    this.#journal.add(() => this.#restored = { entries: before, revision: revisionBefore });
  }

  #entries(): Entries {
    let entries: Entries = [];
    void this.#records.transact((view) => {
      entries = view.entries("");
      this.#revision = view.revision;
    });
    return entries;
  }

  // ---- rankings

  rememberRanking(id: string, items: RememberedRanking): void {
    const before = this.#rankings.get(id);
    this.#rankings.set(id, items);
    this.#journal.add(() => {
      if (before === undefined) this.#rankings.delete(id);
      else this.#rankings.set(id, before);
    });
  }

  ranking(id: string): RememberedRanking | undefined {
    return this.#rankings.get(id);
  }

  // ---- life of the server

  /**
   * A replica has everything that was written so far.
   *
   * @throws {RedisAwayError} It cannot be reached.
   */
  confirm(): void {
    if (this.#isReplicaCut) throw new RedisAwayError("no replica confirms");
    this.#journal.confirm();
  }

  /** The replica gets nothing until it takes over with {@link start}. */
  cutReplica(): void {
    this.#isReplicaCut = true;
  }

  /** It answers nothing until {@link start}. */
  stop(): void {
    this.#isUp = false;
    void this.#records.close();
  }

  /**
   * Starts it, where `lostMs` is above 0 from the state of so long ago.
   *
   * @param isConfirmedKept Whether it has all that was confirmed.
   * @returns The number of changes that were lost.
   */
  start(lostMs: number, isConfirmedKept = false): number {
    const lost = lostMs > 0 ? this.#goBack(this.#clock.monotonicMs() - lostMs, isConfirmedKept) : 0;
    const ends = new Map([["records", this.#revision]]);
    for (const log of this.#logs.values()) log.endsInto(ends);
    const name = String(++this.#runs);
    const note = { name, ends: JSON.stringify(Object.fromEntries(ends)) };
    this.#begin({ id: name, past: [...this.#run.past, note] });
    return lost;
  }

  /**
   * Clients come back to an old primary, which was left at a time and has never followed the server
   * that they went to.
   *
   * @returns The number of changes that were lost.
   */
  returnTo(run: ServerRun, leftAtMs: number): number {
    const lost = this.#goBack(leftAtMs, false);
    this.#begin({ ...run }); // it is the same run, with other connections
    return lost;
  }

  #begin(run: ServerRun): void {
    this.#run = run;
    this.#isUp = true;
    this.#isReplicaCut = false;
    for (const log of this.#logs.values()) log.tellAll();
  }

  /** Undoes the changes since then; returns their number. */
  #goBack(sinceMs: number, isConfirmedKept: boolean): number {
    const lost = this.#journal.undo(sinceMs, isConfirmedKept);
    if (this.#restored !== undefined) this.#restore(this.#restored);
    this.#restored = undefined;
    return lost;
  }

  #restore({ entries, revision }: RecordsAtMoment): void {
    void this.#records.close();
    this.#records = new MemoryRecordStore(this.#clock);
    void this.#records.transact((view) => {
      for (const [key, value] of entries) view.setQuietly(key, value);
      view.skipRevisions(revision);
    });
    this.#tellPlaced(this.#current, entries);
    this.#current = entries;
    this.#revision = revision;
  }

  #tellPlaced(before: Entries, after: Entries): void {
    const old = new Map(before.map(([key, value]) => [key, value]));
    for (const [key, value] of after) {
      if (!PLACED.test(key)) continue;
      const earlier = old.get(key);
      if (JSON.stringify(earlier) === JSON.stringify(value)) continue;
      this.#onPlaced(
        key,
        earlier as unknown as Placement | undefined,
        value as unknown as Placement,
      );
    }
  }
}
