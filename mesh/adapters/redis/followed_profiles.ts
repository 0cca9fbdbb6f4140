/**
 * The profiles of Redis or Valkey that this process holds. Ids of one turn are read together, and a
 * stream of numbered changes tells which entries are old. Where the process may have missed a
 * change (a gap in the numbers, another run of the server), all that was derived from profiles is
 * dropped.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Profile, type ProfileKind, profileKinds } from "../../ports/profile_store.ts";
import { Listeners } from "../../runtime/listeners.ts";
import { LateWaits } from "./late_waits.ts";
import { ProfileCache } from "./profile_cache.ts";
import { parseProfile, readScript } from "./profile_scripts.ts";
import type { RedisConnection } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";
import { type ServerRun, sharedEnds } from "./server_past.ts";
import { UnreadProfiles } from "./unread_profiles.ts";

/** Keys of all processes of a mesh. */
export interface ProfileKeys {
  /** Hash of the profiles of a kind. */
  readonly user: string;
  readonly item: string;
  /** Number of the newest change. */
  readonly number: string;
  /** Stream of changes. */
  readonly changes: string;
}

export interface FollowedProfilesOptions {
  readonly server: RedisServer;
  readonly keys: ProfileKeys;
  /** Changes of this process are not followed: {@link FollowedProfiles.wrote} tells of them. */
  readonly writer: string;
  /** Memory of the cache, bytes, for each kind. */
  readonly cacheBytesMax: number;
  /** Time after which a read that is late is not awaited, ms. */
  readonly loadBudgetMs: number;
}

/** The value of a profile behind a change of this process. */
export interface WrittenProfile {
  /** Undefined = there is none. */
  readonly profile: Profile | undefined;
  /** Length of its text. */
  readonly bytes: number;
  /** Number of the change. */
  readonly number: number;
  /** Profiles of the kind. */
  readonly count: number;
}

/** Ids that wait for the next read. */
interface Wanted {
  readonly ids: Set<string>;
  readonly read: Promise<void>;
}

interface Kind {
  readonly key: string;
  readonly cache: ProfileCache;
  readonly listeners: Listeners<[id: string | undefined]>;
  wanted: Wanted | undefined;
  count: number;
}

/** Ids of one read. */
const IDS_MAX = 1_000;
/** Longest wait of one read of the changes, ms. */
const BLOCK_MS = 5_000;
/** Changes of one read. */
const CHANGES_MAX = 1_000;
/** Pause after a failure, ms. */
const RETRY_MS = 100;

type Change = [id: string, fields: string[]];

export class FollowedProfiles {
  readonly #options: FollowedProfilesOptions;
  readonly #server: RedisServer;
  readonly #keys: ProfileKeys;
  readonly #kinds: Readonly<Record<ProfileKind, Kind>>;
  readonly #following: RedisConnection;
  readonly #waits: LateWaits;
  readonly #unread: UnreadProfiles;
  /** Number of the newest change that was followed. */
  #followed = 0;
  #followedRun = "";
  /** The run of the server that this process has entered. */
  #run: ServerRun | undefined;
  /** Number of the newest durable change of this process in that run, or before. */
  #written = 0;
  #lost = 0;
  #isClosed = false;

  private constructor(options: FollowedProfilesOptions) {
    const { server, keys, cacheBytesMax, loadBudgetMs } = options;
    this.#options = options;
    this.#server = server;
    this.#keys = keys;
    const kindOf = (key: string): Kind => ({
      key,
      cache: new ProfileCache(cacheBytesMax),
      listeners: new Listeners(),
      wanted: undefined,
      count: 0,
    });
    this.#kinds = { user: kindOf(keys.user), item: kindOf(keys.item) };
    this.#following = server.waitingConnection();
    this.#waits = new LateWaits(loadBudgetMs);
    this.#unread = new UnreadProfiles({
      reads: server.reads,
      onReadable: (kind, id) => this.#kinds[kind].listeners.tell(id),
      onTooMany: () => this.#startAnew(this.#followed),
    });
  }

  /**
   * Begins to follow the changes.
   *
   * @throws {RedisUnavailableError} The server does not answer.
   */
  static async open(options: FollowedProfilesOptions): Promise<FollowedProfiles> {
    const profiles = new FollowedProfiles(options);
    try {
      await profiles.#beginToFollow();
    } catch (error) {
      profiles.#following.close();
      throw error;
    }
    void profiles.#follow();
    return profiles;
  }

  /** Reads the profiles that are not held, for the budget at most. */
  async load(kind: ProfileKind, ids: readonly string[]): Promise<void> {
    const { cache } = this.#kinds[kind];
    const missing = ids.filter((id) => !cache.has(id));
    if (missing.length === 0) return;
    const reads = new Set(missing.map((id) => this.#want(kind, id)));
    await new Promise<void>((resolve) => {
      const wait = this.#waits.begin(() => {
        this.#unread.add(kind, missing.filter((id) => !cache.has(id)));
        resolve();
      });
      void Promise.all(reads).then(() => {
        this.#waits.end(wait);
        resolve();
      });
    });
  }

  /**
   * A profile, which is read where it is not held; undefined where there is none.
   *
   * @throws {RedisUnavailableError} The server does not answer.
   */
  async read(kind: ProfileKind, id: string): Promise<Profile | undefined> {
    const { key, cache } = this.#kinds[kind];
    const held = cache.get(id);
    if (held !== undefined) return held.profile;
    const keys = [key, this.#keys.number];
    const [number, [text]] = await readScript.run(this.#server.reads, keys, [id]);
    const profile = text === null ? undefined : parseProfile(id, text);
    cache.set(id, profile, text?.length ?? 0, Number(number));
    return profile;
  }

  /** A profile; undefined where there is none, or it is not held. */
  get(kind: ProfileKind, id: string): Profile | undefined {
    const entry = this.#kinds[kind].cache.get(id);
    // It was not loaded, or was changed or evicted since.
    if (entry === undefined) this.#unread.add(kind, [id]);
    return entry?.profile;
  }

  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void {
    return this.#kinds[kind].listeners.add(listener);
  }

  /** Profiles of a kind that the server has. */
  count(kind: ProfileKind): number {
    return this.#kinds[kind].count;
  }

  /** The most durable changes that the server can have lost up to the newest of this process. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * The server's run, after a count of the changes of the last one that the server has lost.
   *
   * @throws {RedisUnavailableError} The server does not answer.
   */
  async checkedRun(): Promise<ServerRun> {
    const { runs } = this.#server;
    const run = await runs.current();
    const before = this.#run;
    if (before?.id === run.id) return run;
    const [shared] = before === undefined ? [0] : sharedEnds(before, run, ["profiles"]);
    this.#lost += Math.max(0, this.#written - shared);
    this.#written = Math.min(this.#written, shared);
    return this.#run = run;
  }

  /** A change of this process is durable in a run of the server. */
  wrote(
    kind: ProfileKind,
    id: string,
    { profile, bytes, number, count }: WrittenProfile,
    runId: string,
  ): void {
    const { cache, listeners } = this.#kinds[kind];
    if (this.#run?.id === runId) this.#written = Math.max(this.#written, number);
    this.#kinds[kind].count = count;
    cache.set(id, profile, bytes, number);
    listeners.tell(id);
  }

  /**
   * A change of this process may have been made.
   *
   * @param number The number of the change; undefined if there was no answer.
   */
  mayHaveWritten(kind: ProfileKind, id: string, number: number | undefined): void {
    const { cache, listeners } = this.#kinds[kind];
    if (number !== undefined) cache.change(id, number);
    listeners.tell(id);
  }

  close(): void {
    this.#isClosed = true;
    this.#unread.close();
    this.#following.close();
    this.#waits.close();
  }

  /** Adds an id to the next read; ids of one turn are read together. */
  #want(kind: ProfileKind, id: string): Promise<void> {
    const entry = this.#kinds[kind];
    if (!entry.wanted || entry.wanted.ids.size >= IDS_MAX) {
      const ids = new Set<string>();
      const read = Promise.resolve().then(async () => {
        if (entry.wanted?.ids === ids) entry.wanted = undefined;
        await this.#read(kind, [...ids]).catch(() => this.#unread.add(kind, ids));
      });
      entry.wanted = { ids, read };
    }
    entry.wanted.ids.add(id);
    return entry.wanted.read;
  }

  async #read(kind: ProfileKind, ids: readonly string[]): Promise<void> {
    const { key, cache } = this.#kinds[kind];
    let missing = ids;
    // A change may overtake a read; each pass reads the ids that it has made old.
    for (let pass = 0; missing.length > 0 && pass < 10; pass++) {
      const [number, values] = await readScript.run(
        this.#server.reads,
        [key, this.#keys.number],
        missing,
      );
      missing = missing.filter((id, i) => {
        const text = values[i];
        const profile = text === null ? undefined : parseProfile(id, text);
        return !cache.set(id, profile, text?.length ?? 0, Number(number));
      });
    }
  }

  /** Reads the newest number and the counts; the changes after it are followed. */
  async #beginToFollow(): Promise<void> {
    await this.#following.connect();
    const before = this.#followed;
    const [number, ...counts] = await Promise.all([
      this.#following.send<string | null>(["GET", this.#keys.number]),
      ...profileKinds.map((kind) => this.#following.send<number>(["HLEN", this.#kinds[kind].key])),
    ]);
    const isOtherRun = this.#followedRun !== this.#following.replicationId;
    const newest = Number(number ?? 0);
    profileKinds.forEach((kind, i) => this.#kinds[kind].count = counts[i]);
    if (this.#followedRun === "") this.#followed = newest;
    else if (isOtherRun || newest < before) this.#startAnew(newest);
    this.#followedRun = this.#following.replicationId;
  }

  /** Drops all that was read: changes may have been missed. */
  #startAnew(number: number): void {
    this.#followed = number;
    this.#unread.clear();
    for (const kind of profileKinds) {
      const { cache, listeners } = this.#kinds[kind];
      cache.clear(number);
      listeners.tell(undefined);
    }
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        // A connection that was lost may be there again, with another run of the server.
        await this.checkedRun();
        const isSameRun = this.#following.replicationId === this.#followedRun;
        if (!this.#following.isReady || !isSameRun) await this.#beginToFollow();
        const reply = await this.#following.send<[string, Change[]][] | null>(
          [
            "XREAD",
            "COUNT",
            CHANGES_MAX,
            "BLOCK",
            BLOCK_MS,
            "STREAMS",
            this.#keys.changes,
            `${this.#followed}-0`,
          ],
          BLOCK_MS,
        );
        for (const change of reply?.[0][1] ?? []) this.#apply(change);
      } catch {
        if (!this.#isClosed) await pause(RETRY_MS);
      }
    }
  }

  #apply([streamId, fields]: Change): void {
    const number = Number.parseInt(streamId);
    if (number !== this.#followed + 1) this.#startAnew(number - 1);
    this.#followed = number;
    const [, kind, , id, , writer, , count] = fields;
    const entry = this.#kinds[kind as ProfileKind];
    entry.count = Number(count);
    if (writer === this.#options.writer) return;
    entry.cache.change(id, number);
    entry.listeners.tell(id);
  }
}
