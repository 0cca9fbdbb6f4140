/**
 * Profiles in Redis or Valkey, with a cache in each process.
 *
 * A ranking reads the cache, after {@link RedisProfileStore.load} has filled it; {@link
 * FollowedProfiles} keeps the cache current. While the server is away the cache is served as it is.
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
import { NotDurableError } from "./durability_barrier.ts";
import { FollowedProfiles, type ProfileKeys, type WrittenProfile } from "./followed_profiles.ts";
import { isOfFullMemory } from "./full_memory.ts";
import {
  CHANGES_RETAINED,
  deleteScript,
  dropChangesScript,
  parseProfile,
  putScript,
} from "./profile_scripts.ts";
import { RedisUnavailableError } from "./redis_connection.ts";
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

/** Default of {@link RedisProfileStoreOptions.loadBudgetMs}. */
const LOAD_BUDGET_MS = 100;
const FULL_REMEDY = "Nothing was written. Raise its maxmemory, or delete profiles.";
const REMEDY = "Whether it was written is unknown. Send it again when Redis answers.";
const READ_REMEDY = "Ask again when Redis answers.";
/** Runs of the server that one change may meet. */
const RUNS_MAX = 3;

export class RedisProfileStore implements ProfileStore {
  readonly isLocal = false;
  readonly #server: RedisServer;
  readonly #options: RedisProfileStoreOptions;
  readonly #keys: ProfileKeys;
  readonly #followed: FollowedProfiles;

  private constructor(
    options: RedisProfileStoreOptions,
    keys: ProfileKeys,
    followed: FollowedProfiles,
  ) {
    this.#server = options.server;
    this.#options = options;
    this.#keys = keys;
    this.#followed = followed;
  }

  /**
   * Opens the store and begins to follow its changes.
   *
   * @throws {ProfileStoreUnavailableError} The server does not answer.
   */
  static async open(options: RedisProfileStoreOptions): Promise<RedisProfileStore> {
    const { server, writer, cacheBytesMax, loadBudgetMs = LOAD_BUDGET_MS } = options;
    const keys = {
      user: server.key("profiles:user"),
      item: server.key("profiles:item"),
      number: server.key("profiles:number"),
      changes: server.key("profiles:changes"),
    };
    const parts = { server, keys, writer, cacheBytesMax, loadBudgetMs };
    const followed = await FollowedProfiles.open(parts).catch((error) => {
      throw translated(server, error);
    });
    return new RedisProfileStore(options, keys, followed);
  }

  load(kind: ProfileKind, ids: readonly string[]): Promise<void> {
    return this.#followed.load(kind, ids);
  }

  async read(kind: ProfileKind, id: string): Promise<Profile | undefined> {
    try {
      return await this.#followed.read(kind, id);
    } catch (error) {
      throw translated(this.#server, error, "read");
    }
  }

  get(kind: ProfileKind, id: string): Profile | undefined {
    return this.#followed.get(kind, id);
  }

  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[] {
    return ids.map((id) => this.get(kind, id));
  }

  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void {
    return this.#followed.onChanged(kind, listener);
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
    const key = this.#keys[kind];
    const json = JSON.stringify(attributes);
    return await this.#write(kind, id, async () => {
      const { reply, runId } = await this.#underRun((runId) =>
        putScript.run(this.#server.commands, this.#writeKeys(key), [
          runId,
          id,
          json,
          kind,
          writer,
          changesRetained,
          expected,
        ])
      );
      if (reply[0] === "OTHER") {
        const [, number, text] = reply;
        const profile = text === null ? undefined : parseProfile(id, text);
        const bytes = text?.length ?? 0;
        const count = this.#followed.count(kind);
        return { runId, result: undefined, profile, bytes, number, count };
      }
      const [, version, at, number, count] = reply;
      const profile = { id, attributes: JSON.parse(json), updatedAtMs: Number(at), version };
      return { runId, result: profile, profile, bytes: json.length, number, count };
    });
  }

  async delete(kind: ProfileKind, id: string): Promise<boolean> {
    const { writer, changesRetained = CHANGES_RETAINED } = this.#options;
    const key = this.#keys[kind];
    return await this.#write(kind, id, async () => {
      const { reply: [, existed, number, count], runId } = await this.#underRun((runId) =>
        deleteScript.run(this.#server.commands, this.#writeKeys(key), [
          runId,
          id,
          kind,
          writer,
          changesRetained,
        ])
      );
      return { runId, result: existed === 1, profile: undefined, bytes: 0, number, count };
    });
  }

  async dropChanges(): Promise<void> {
    try {
      await this.#underRun((runId) =>
        dropChangesScript.run(
          this.#server.commands,
          this.#writeKeys(this.#keys.item),
          [runId, this.#options.writer],
        )
      );
    } catch (error) {
      throw translated(this.#server, error);
    }
  }

  /** The first page has the cursor "0", as the last has for its next. */
  async list(kind: ProfileKind, cursor = "0", limit: number): Promise<ProfilePage> {
    if (!/^\d{1,20}$/.test(cursor)) throw new ProfileCursorError(cursor);
    try {
      const [next, fields] = await this.#server.reads.send<[string, string[]]>(
        ["HSCAN", this.#keys[kind], cursor, "COUNT", limit],
      );
      const profiles = [];
      for (let i = 0; i < fields.length; i += 2) {
        profiles.push(parseProfile(fields[i], fields[i + 1]));
      }
      return { profiles, next: next === "0" ? undefined : next };
    } catch (error) {
      throw translated(this.#server, error, "read");
    }
  }

  changesLost(): number {
    return this.#followed.lost;
  }

  count(kind: ProfileKind): number {
    return this.#followed.count(kind);
  }

  close(): Promise<void> {
    this.#followed.close();
    return Promise.resolve();
  }

  #writeKeys(profiles: string): string[] {
    return [this.#server.runs.key, profiles, this.#keys.number, this.#keys.changes];
  }

  /** Writes, waits until that is durable, and then makes it readable here and tells listeners. */
  async #write<Result>(
    kind: ProfileKind,
    id: string,
    run: () => Promise<WrittenProfile & { readonly result: Result; readonly runId: string }>,
  ): Promise<Result> {
    let number: number | undefined;
    try {
      const written = await run();
      number = written.number;
      await this.#server.barrier.pass(written.runId);
      this.#followed.wrote(kind, id, written, written.runId);
      return written.result;
    } catch (error) {
      // It may have been written, and this process does not hear of its own changes.
      this.#followed.mayHaveWritten(kind, id, number);
      throw translated(this.#server, error);
    }
  }

  /**
   * Runs a script under the present run of the server: it changes nothing under another one, so it
   * is run again then.
   */
  async #underRun<Reply extends readonly [string, ...unknown[]]>(
    script: (runId: string) => Promise<Reply>,
  ): Promise<{ readonly reply: Exclude<Reply, readonly ["RUN"]>; readonly runId: string }> {
    const { runs, url } = this.#server;
    for (let attempts = 0; attempts < RUNS_MAX; attempts++) {
      const { id: runId } = await this.#followed.checkedRun();
      const reply = await script(runId);
      if (reply[0] !== "RUN") return { reply: reply as Exclude<Reply, readonly ["RUN"]>, runId };
      runs.leave();
    }
    throw new RedisUnavailableError(
      url,
      false,
      new Error("the server is restarted again and again"),
    );
  }
}

/** The error of the port, where the server is away, full or slow. */
function translated(
  server: RedisServer,
  error: unknown,
  action: "write to" | "read" = "write to",
): unknown {
  const isFull = isOfFullMemory(error);
  const isPassing = error instanceof RedisUnavailableError || error instanceof NotDurableError;
  if (!isPassing && !isFull) return error;
  const remedy = action === "read" ? READ_REMEDY : isFull ? FULL_REMEDY : REMEDY;
  return new ProfileStoreUnavailableError(`the Redis at ${server.url}`, error, remedy, action);
}
