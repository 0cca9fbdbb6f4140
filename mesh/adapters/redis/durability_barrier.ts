/**
 * Waits until everything that the server has written is on its disk, and on its replicas' disks
 * where they are asked for.
 *
 * A server counts the writes of all connections in one sequence. So a small write of one connection
 * followed by WAITAOF there covers every write that was answered before, on any connection. Waits
 * that begin meanwhile share the next round. The connection is its own: it stands still while the
 * server syncs, and no other command waits behind it.
 *
 * A server with `appendfsync always` syncs before it answers, so that everything that was answered
 * or read is on its disk (aof.c: "acknowledged or observed writes are synced on disk"). Each round
 * reads this setting too, and where replicas are not asked for a write needs no round for a second
 * after its begin, and a read a look at the server's run alone. Then one look at run and setting is
 * the next round: a write would cost a sync, of each process that has read a change of the mesh.
 */
import { ErrorReply } from "@redis/client";
import { type RedisConnection, RedisUnavailableError } from "./redis_connection.ts";
import { PRESENT_RUN } from "./server_runs.ts";

/** Options of {@link DurabilityBarrier}. */
export interface BarrierOptions {
  readonly connection: RedisConnection;
  /** The key that the rounds write. */
  readonly key: string;
  /** The hash of the server's runs. */
  readonly runs: string;
  /** Replicas that must have the writes on their disks, as the primary must. */
  readonly replicas: number;
  /** Longest wait for the disks, ms. */
  readonly waitMs: number;
  /** Time from its begin for which the settings of a round hold, ms; default 1000. */
  readonly settingsMs?: number;
  /** Called when a round was made under another run than the one that was asked for. */
  onOtherRun(): void;
  /** Called when the server refuses to wait for its disk; throws where it has no file any more. */
  onRefused(): Promise<void>;
}

/** Default of {@link BarrierOptions.settingsMs}. */
const SETTINGS_MS = 1_000;
/** The settings of a server that syncs before it answers, also while it rewrites its file. */
const syncingSettings: Readonly<Record<string, string>> = {
  "appendonly": "yes",
  "appendfsync": "always",
  "no-appendfsync-on-rewrite": "no",
};

/** The server did not confirm in time that its disk has the writes. */
export class NotDurableError extends Error {
  override readonly name = "NotDurableError";
  constructor(waitMs: number, replicas: number, found: readonly [local: number, replicas: number]) {
    const [local, synced] = found;
    super(
      local < 1
        ? `Redis has written but not synced to its disk within ${waitMs} ms: check the disk, and that appendfsync is "always" or "everysec"`
        : `${synced} of ${replicas} replicas of Redis have synced within ${waitMs} ms: check the replicas, or ask for fewer`,
    );
  }
}

/**
 * The write of a round, also on a server whose memory is full; returns the id of the server's run,
 * or null where no process has entered it.
 * Sent whole: a script that the server does not know by its digest would fail, and the WAITAOF
 * behind it would confirm nothing.
 */
const WRITE_SCRIPT = `#!lua flags=allow-oom
${PRESENT_RUN}
redis.call('SET', KEYS[2], '1')
return run
`;

/** Returns the id of the server's run, or null where no process has entered it. */
const RUN_SCRIPT = `${PRESENT_RUN}return run`;

export class DurabilityBarrier {
  readonly #options: BarrierOptions;
  #running: Promise<string | null> | undefined;
  #next: Promise<string | null> | undefined;
  /** The run of the server that syncs before it answers; undefined where none is known to. */
  #syncingRun: string | undefined;
  /** Until when this is taken for granted, on the monotonic clock, ms. */
  #syncingUntilMs = -Infinity;

  constructor(options: BarrierOptions) {
    this.#options = options;
  }

  /**
   * Resolves when every write that was answered before this call is durable.
   *
   * @param runId The run of the server that answered: under another run the writes may be lost.
   * @throws {NotDurableError} The disks have not confirmed in time.
   * @throws {RedisUnavailableError} The server does not answer, or has another run.
   */
  async pass(runId: string): Promise<void> {
    if (runId === this.#syncingRun && this.#settingsHold) return;
    await this.passRead(runId);
  }

  /**
   * Resolves when everything that was read before this call is durable. An answer to a read does
   * not say under which run it was: one that has lost nothing may have begun, with the same
   * connections, where the server got its first replica.
   *
   * @param runId The run of the server before the read.
   * @throws {NotDurableError} The disks have not confirmed in time.
   * @throws {RedisUnavailableError} The server does not answer, or has another run.
   */
  async passRead(runId: string): Promise<void> {
    const synced = await this.#round();
    if (synced === runId) return;
    const { connection: { url }, onOtherRun } = this.#options;
    onOtherRun();
    throw new RedisUnavailableError(url, true, new Error("the server was restarted meanwhile"));
  }

  get #settingsHold(): boolean {
    return this.#syncingRun !== undefined && performance.now() < this.#syncingUntilMs;
  }

  /** A round that begins from now on; resolves with the run of the server. */
  #round(): Promise<string | null> {
    if (!this.#running) return this.#start();
    return this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.#start();
    });
  }

  #start(): Promise<string | null> {
    const round = this.#sync().finally(() => {
      if (this.#running === round) this.#running = undefined;
    });
    return this.#running = round;
  }

  async #sync(): Promise<string | null> {
    return await this.#runThatSyncs() ?? await this.#syncNow();
  }

  /**
   * The present run, where it is the one of the last round and still syncs before it answers;
   * undefined where that is to be found out. It needs no write: a server whose setting becomes
   * `always` syncs what it has written before it answers the next command.
   */
  async #runThatSyncs(): Promise<string | undefined> {
    if (this.#syncingRun === undefined) return undefined;
    const { connection, runs } = this.#options;
    const [isToldAgain, beganAtMs] = [!this.#settingsHold, performance.now()];
    const [present, syncsAlways] = await Promise.all([
      connection.send<string | null>(["EVAL", RUN_SCRIPT, 1, runs]),
      isToldAgain ? this.#syncsAlways() : true,
    ]);
    if (present === null || present !== this.#syncingRun || !syncsAlways) return undefined;
    if (isToldAgain) this.#settingsReadAt(beganAtMs);
    return present;
  }

  /** Has all that was written synced; returns the run of the server. */
  async #syncNow(): Promise<string | null> {
    const { connection, key, runs, replicas, waitMs } = this.#options;
    const beganAtMs = performance.now();
    const [runId, found, syncsAlways] = await Promise.all([
      connection.send<string | null>(["EVAL", WRITE_SCRIPT, 2, runs, key]),
      this.#waitForDisks(),
      replicas === 0 && this.#syncsAlways(),
    ]);
    if (found[0] < 1 || found[1] < replicas) throw new NotDurableError(waitMs, replicas, found);
    this.#syncingRun = syncsAlways ? runId ?? undefined : undefined;
    this.#settingsReadAt(beganAtMs);
    return runId;
  }

  /** @param beganAtMs Not of the answer: a process that was paused reads it long after. */
  #settingsReadAt(beganAtMs: number): void {
    this.#syncingUntilMs = beganAtMs + (this.#options.settingsMs ?? SETTINGS_MS);
  }

  async #waitForDisks(): Promise<[local: number, replicas: number]> {
    const { connection, replicas, waitMs, onRefused } = this.#options;
    try {
      return await connection.send(["WAITAOF", 1, replicas, waitMs], waitMs);
    } catch (error) {
      if (error instanceof ErrorReply) await onRefused();
      throw error;
    }
  }

  /** Whether the server syncs before it answers; false where its settings cannot be read. */
  async #syncsAlways(): Promise<boolean> {
    const names = Object.keys(syncingSettings);
    const reply = await this.#options.connection
      .send<string[]>(["CONFIG", "GET", ...names])
      .catch(() => []);
    const found = new Map(names.map((_, i) => [reply[2 * i], reply[2 * i + 1]]));
    return names.every((name) => found.get(name) === syncingSettings[name]);
  }
}
