/**
 * Profiles in Redis or Valkey, with a cache in each process.
 *
 * A ranking reads the cache, after {@link RedisProfileStore.load} has filled it: ids of one turn
 * are read together. A stream of numbered changes tells each process which of its entries are old.
 * Where it may have missed a change (a gap in the numbers, another run of the server), it drops
 * everything it has derived from profiles. While the server is away the cache is served as it is.
 */
import {
  type Attributes,
  type Profile,
  ProfileCursorError,
  type ProfileKind,
  type ProfilePage,
  type ProfileStore,
  ProfileStoreUnavailableError,
} from "../../ports/profile_store.ts";
import { present } from "../../../structures/invariant.ts";
import { Listeners } from "../../runtime/listeners.ts";
import { isOfFullMemory } from "./full_memory.ts";
import { NotDurableError } from "./durability_barrier.ts";
import { LateWaits } from "./late_waits.ts";
import { ProfileCache } from "./profile_cache.ts";
import {
  CHANGES_RETAINED,
  deleteScript,
  dropChangesScript,
  putScript,
  readScript,
} from "./profile_scripts.ts";
import { type RedisConnection, RedisUnavailableError } from "./redis_connection.ts";
import type { RedisServer } from "./redis_server.ts";

/** Options of {@link RedisProfileStore.open}. */
export interface RedisProfileStoreOptions {
  readonly server: RedisServer;
  /** A fresh uuid of this process. */
  readonly writer: string;
  /** Memory of the cache, bytes, for each kind. */
  readonly cacheBytesMax: number;
  /** Time after which a ranking goes on without profiles that do not come, ms; default 100. */
  readonly loadBudgetMs?: number;
  /** Changes that the stream keeps; a process that misses more reads everything again. */
  readonly changesRetained?: number;
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
  /** Ids that were served as absent without having been read, or because the read was late. */
  readonly unread: Set<string>;
}

const kinds: readonly ProfileKind[] = ["user", "item"];
/** Ids of one read. */
const IDS_MAX = 1_000;
/** Default of {@link RedisProfileStoreOptions.loadBudgetMs}. */
const LOAD_BUDGET_MS = 100;
/** Longest wait of one read of the changes, ms; so long may a profile that came late be absent. */
const BLOCK_MS = 1_000;
/** Ids that are remembered as unread. */
const UNREAD_MAX = 10_000;
/** Changes of one read. */
const CHANGES_MAX = 1_000;
/** Pause after a failure, ms. */
const RETRY_MS = 100;
const FULL_REMEDY = "Nothing was written. Raise its maxmemory, or delete profiles.";
const REMEDY = "Whether it was written is unknown. Send it again when Redis answers.";

type Change = [id: string, fields: string[]];

export class RedisProfileStore implements ProfileStore {
  readonly isLocal = false;
  readonly #server: RedisServer;
  readonly #options: RedisProfileStoreOptions;
  readonly #keys: { readonly number: string; readonly changes: string };
  readonly #kinds: Readonly<Record<ProfileKind, Kind>>;
  readonly #following: RedisConnection;
  readonly #waits: LateWaits;
  /** Number of the newest change that was followed. */
  #followed = 0;
  #followedRun = "";
  #isClosed = false;

  private constructor(options: RedisProfileStoreOptions) {
    const { server, cacheBytesMax } = options;
    this.#server = server;
    this.#options = options;
    this.#keys = {
      number: server.key("profiles:number"),
      changes: server.key("profiles:changes"),
    };
    const kindOf = (kind: ProfileKind): Kind => ({
      key: server.key(`profiles:${kind}`),
      cache: new ProfileCache(cacheBytesMax),
      listeners: new Listeners(),
      wanted: undefined,
      count: 0,
      unread: new Set(),
    });
    this.#kinds = { user: kindOf("user"), item: kindOf("item") };
    this.#following = server.waitingConnection();
    this.#waits = new LateWaits(options.loadBudgetMs ?? LOAD_BUDGET_MS);
  }

  /**
   * Opens the store and begins to follow its changes.
   *
   * @throws {ProfileStoreUnavailableError} The server does not answer.
   */
  static async open(options: RedisProfileStoreOptions): Promise<RedisProfileStore> {
    const store = new RedisProfileStore(options);
    try {
      await store.#beginToFollow();
    } catch (error) {
      store.#following.close();
      throw store.#translated(error);
    }
    void store.#follow();
    return store;
  }

  async load(kind: ProfileKind, ids: readonly string[]): Promise<void> {
    const { cache } = this.#kinds[kind];
    const missing = ids.filter((id) => !cache.has(id));
    if (missing.length === 0) return;
    const reads = new Set(missing.map((id) => this.#want(kind, id)));
    await new Promise<void>((resolve) => {
      const wait = this.#waits.begin(() => {
        this.#unread(kind, missing.filter((id) => !cache.has(id)));
        resolve();
      });
      void Promise.all(reads).then(() => {
        this.#waits.end(wait);
        resolve();
      });
    });
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    const entry = this.#kinds[kind].cache.get(id);
    // It was not loaded, or was changed or evicted since.
    if (entry === undefined) this.#unread(kind, [id]);
    return entry?.profile;
  }

  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[] {
    return ids.map((id) => this.get(kind, id));
  }

  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void {
    return this.#kinds[kind].listeners.add(listener);
  }

  async put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile> {
    return present(
      await this.#put(kind, id, attributes, ""),
      "a put without an expected profile is not left out",
    );
  }

  replace(
    kind: ProfileKind,
    { id, version, updatedAtMs }: Profile,
    attributes: Attributes,
  ): Promise<Profile | undefined> {
    return this.#put(kind, id, attributes, `${version} ${updatedAtMs} `);
  }

  /** Undefined where the stored value does not begin as expected; then that value is cached. */
  async #put(
    kind: ProfileKind,
    id: string,
    attributes: Attributes,
    expected: string,
  ): Promise<Profile | undefined> {
    const { writer, changesRetained = CHANGES_RETAINED } = this.#options;
    const { key } = this.#kinds[kind];
    const json = JSON.stringify(attributes);
    return await this.#write(kind, id, async (runId) => {
      const reply = await putScript.run(this.#server.commands, this.#writeKeys(key), [
        runId,
        id,
        json,
        kind,
        writer,
        changesRetained,
        expected,
      ]);
      if (reply[0] === "RUN") return undefined;
      if (reply[0] === "OTHER") {
        const [, number, text] = reply;
        const profile = text === null ? undefined : parse(id, text);
        const bytes = text?.length ?? 0;
        const { count } = this.#kinds[kind];
        return { result: undefined, profile, bytes, number, count };
      }
      const [, version, at, number, count] = reply;
      const profile = { id, attributes: JSON.parse(json), updatedAtMs: Number(at), version };
      return { result: profile, profile, bytes: json.length, number, count };
    });
  }

  async delete(kind: ProfileKind, id: string): Promise<boolean> {
    const { writer, changesRetained = CHANGES_RETAINED } = this.#options;
    const { key } = this.#kinds[kind];
    return await this.#write(kind, id, async (runId) => {
      const reply = await deleteScript.run(this.#server.commands, this.#writeKeys(key), [
        runId,
        id,
        kind,
        writer,
        changesRetained,
      ]);
      if (reply[0] === "RUN") return undefined;
      const [, existed, number, count] = reply;
      return { result: existed === 1, profile: undefined, bytes: 0, number, count };
    });
  }

  async dropChanges(): Promise<void> {
    const { commands, runs } = this.#server;
    try {
      const current = await runs.current();
      const [outcome] = await dropChangesScript.run(
        commands,
        this.#writeKeys(this.#kinds.item.key),
        [current.id, this.#options.writer],
      );
      if (outcome === "OK") return;
      runs.leave();
      throw new Error("the server was restarted meanwhile");
    } catch (error) {
      throw this.#translated(error);
    }
  }

  /** The first page has the cursor "0", as the last has for its next. */
  async list(kind: ProfileKind, cursor = "0", limit: number): Promise<ProfilePage> {
    if (!/^\d{1,20}$/.test(cursor)) throw new ProfileCursorError(cursor);
    try {
      const [next, fields] = await this.#server.reads.send<[string, string[]]>(
        ["HSCAN", this.#kinds[kind].key, cursor, "COUNT", limit],
      );
      const profiles = [];
      for (let i = 0; i < fields.length; i += 2) profiles.push(parse(fields[i], fields[i + 1]));
      return { profiles, next: next === "0" ? undefined : next };
    } catch (error) {
      throw this.#translated(error);
    }
  }

  count(kind: ProfileKind): number {
    return this.#kinds[kind].count;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#following.close();
    this.#waits.close();
    return Promise.resolve();
  }

  #writeKeys(profiles: string): string[] {
    return [this.#server.runs.key, profiles, this.#keys.number, this.#keys.changes];
  }

  /** Writes, waits until that is durable, and then makes it readable here and tells listeners. */
  async #write<Result>(
    kind: ProfileKind,
    id: string,
    run: (runId: string) => Promise<
      | {
        readonly result: Result;
        readonly profile: Profile | undefined;
        readonly bytes: number;
        readonly number: number;
        readonly count: number;
      }
      | undefined
    >,
  ): Promise<Result> {
    const { cache, listeners } = this.#kinds[kind];
    let number: number | undefined;
    try {
      const current = await this.#server.runs.current();
      const written = await run(current.id);
      if (!written) {
        this.#server.runs.leave();
        throw new Error("the server was restarted meanwhile");
      }
      number = written.number;
      await this.#server.barrier.pass(current.id);
      this.#kinds[kind].count = written.count;
      cache.set(id, written.profile, written.bytes, written.number);
      listeners.tell(id);
      return written.result;
    } catch (error) {
      // It may have been written, and this process does not hear of its own changes.
      if (number !== undefined) cache.change(id, number);
      listeners.tell(id);
      throw this.#translated(error);
    }
  }

  /** Adds an id to the next read; ids of one turn are read together. */
  #want(kind: ProfileKind, id: string): Promise<void> {
    const entry = this.#kinds[kind];
    if (!entry.wanted || entry.wanted.ids.size >= IDS_MAX) {
      const ids = new Set<string>();
      const read = Promise.resolve().then(async () => {
        if (entry.wanted?.ids === ids) entry.wanted = undefined;
        await this.#read(kind, [...ids]).catch(() => this.#unread(kind, ids));
      });
      entry.wanted = { ids, read };
    }
    entry.wanted.ids.add(id);
    return entry.wanted.read;
  }

  async #read(kind: ProfileKind, ids: readonly string[]): Promise<void> {
    const { key, cache } = this.#kinds[kind];
    let missing = ids;
    // A change may overtake a read; each pass reads what it has made old.
    for (let pass = 0; missing.length > 0 && pass < 10; pass++) {
      const [number, values] = await readScript.run(
        this.#server.reads,
        [key, this.#keys.number],
        missing,
      );
      missing = missing.filter((id, i) => {
        const text = values[i];
        const profile = text === null ? undefined : parse(id, text);
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
      ...kinds.map((kind) => this.#following.send<number>(["HLEN", this.#kinds[kind].key])),
    ]);
    const isOtherRun = this.#followedRun !== this.#following.runId;
    const newest = Number(number ?? 0);
    kinds.forEach((kind, i) => this.#kinds[kind].count = counts[i]);
    if (this.#followedRun === "") this.#followed = newest;
    else if (isOtherRun || newest < before) this.#startAnew(newest);
    this.#followedRun = this.#following.runId;
  }

  /** Remembers ids that are served as absent; too many of them make everything old. */
  #unread(kind: ProfileKind, ids: Iterable<string>): void {
    const { unread } = this.#kinds[kind];
    for (const id of ids) unread.add(id);
    if (unread.size > UNREAD_MAX) this.#startAnew(this.#followed);
  }

  /** Has values that were derived from absent profiles dropped, now that reads answer again. */
  #tellUnread(): void {
    if (!this.#server.reads.isReady) return;
    for (const kind of kinds) {
      const { unread, listeners } = this.#kinds[kind];
      const ids = [...unread];
      unread.clear();
      for (const id of ids) listeners.tell(id);
    }
  }

  /** Drops all that was read: changes may have been missed. */
  #startAnew(number: number): void {
    this.#followed = number;
    for (const kind of kinds) {
      const { cache, listeners } = this.#kinds[kind];
      this.#kinds[kind].unread.clear();
      cache.clear(number);
      listeners.tell(undefined);
    }
  }

  async #follow(): Promise<void> {
    while (!this.#isClosed) {
      try {
        // A connection that was lost may be there again, with another run of the server.
        const isSameRun = this.#following.runId === this.#followedRun;
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
        this.#tellUnread();
        for (const change of reply?.[0][1] ?? []) this.#apply(change);
      } catch {
        if (!this.#isClosed) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
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

  #translated(error: unknown): unknown {
    const message = error instanceof Error ? error.message : "";
    const isFull = isOfFullMemory(error);
    const isPassing = error instanceof RedisUnavailableError || error instanceof NotDurableError ||
      message.includes("restarted meanwhile");
    if (!isPassing && !isFull) return error;
    const remedy = isFull ? FULL_REMEDY : REMEDY;
    return new ProfileStoreUnavailableError(`the Redis at ${this.#server.url}`, error, remedy);
  }
}

/** A stored profile: `version updatedAtMs JSON`. */
function parse(id: string, text: string): Profile {
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  return {
    id,
    attributes: JSON.parse(text.slice(second + 1)),
    updatedAtMs: Number(text.slice(first + 1, second)),
    version: Number(text.slice(0, first)),
  };
}
