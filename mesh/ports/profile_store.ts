/**
 * Attributes of users and items, written over HTTP and read when features are made.
 */

/** The kinds of profiles. */
export const profileKinds = ["user", "item"] as const;

/** A profile is of a user or of an item. */
export type ProfileKind = (typeof profileKinds)[number];

/** The value of an attribute. A list gives a list feature; a number may be bucketed. */
export type AttributeValue = string | number | boolean | readonly string[] | null;

/** Attributes by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** The stored attributes of a user or an item. */
export interface Profile {
  readonly id: string;
  readonly attributes: Attributes;
  /** Wall time of the last write, ms since the Unix epoch. */
  readonly updatedAtMs: number;
  /** Number of writes since the profile was created, or created again after a deletion; from 1. */
  readonly version: number;
}

/** Some of the profiles of a kind. */
export interface ProfilePage {
  readonly profiles: readonly Profile[];
  /** The cursor of the next page; undefined after the last. */
  readonly next: string | undefined;
}

/** Profiles by kind and id. */
export interface ProfileStore {
  /** Whether every profile can be read at any time, so that {@link load} has nothing to do. */
  readonly isLocal: boolean;
  /**
   * Makes profiles readable that are stored elsewhere. Never fails and never takes long: where the
   * store is away, profiles that were not read before are as if there were none, until it is back.
   */
  load(kind: ProfileKind, ids: readonly string[]): Promise<void>;
  /**
   * The profile; undefined where there is none or it was not loaded. Synchronous, so that a ranking
   * reads profiles of one moment. Listeners of {@link onChanged} are told later of an id that was
   * not loaded, so that nothing derived from its absence stays.
   */
  get(kind: ProfileKind, id: string): Profile | undefined;
  /**
   * The stored profile; undefined where there is none. Waits for the store, unlike {@link load}.
   *
   * @throws {ProfileStoreUnavailableError} It cannot be read now.
   */
  read(kind: ProfileKind, id: string): Promise<Profile | undefined>;
  /** Several profiles, in the order of `ids`. */
  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[];
  /**
   * Calls `listener` with the id of each profile that is written or deleted, when the change is
   * readable and before the write resolves, so that a cache of derived values drops its entry in
   * time. An undefined id stands for all profiles: changes of other processes may have been missed.
   *
   * @returns Removes the listener.
   */
  onChanged(kind: ProfileKind, listener: (id: string | undefined) => void): () => void;
  /**
   * Replaces the attributes. Resolves with the new profile when it is durable.
   *
   * @throws {ProfileStoreUnavailableError} Nothing was written, also where the store is at its
   * limit in bytes; a later write tries again.
   */
  put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile>;
  /**
   * Replaces the attributes of a profile that is still as it was read: its version and the time of
   * its last write are those of `before`. Resolves with the new profile when it is durable;
   * undefined where the profile was written or deleted meanwhile. Then {@link read} has the present
   * one.
   *
   * @throws {ProfileStoreUnavailableError} As {@link put}.
   */
  replace(kind: ProfileKind, before: Profile, attributes: Attributes): Promise<Profile | undefined>;
  /**
   * Deletes the profile, in order with puts. Resolves, when that is durable, with whether there was
   * a profile.
   */
  delete(kind: ProfileKind, id: string): Promise<boolean>;
  /**
   * Removes deleted profiles and their ids from the store's own records of past changes. Absent
   * where a store has no such records.
   *
   * @throws {Error} The records are in use, or the store is away: try again later.
   */
  dropChanges?(): Promise<void>;
  /**
   * A page of all profiles of this kind, of about `limit`. A profile that is there while all pages
   * are read is in one of them at least.
   *
   * @param cursor From {@link ProfilePage.next}; undefined = the first page.
   * @throws {ProfileCursorError} The cursor is not one of this store.
   * @throws {ProfileStoreUnavailableError} The page cannot be read now.
   */
  list(kind: ProfileKind, cursor: string | undefined, limit: number): Promise<ProfilePage>;
  /**
   * The most changes of all processes that the store can have lost, 0 where none of this process is
   * among them: its server came back with older data. Absent where a store finds such a loss at its
   * opening.
   */
  changesLost?(): number;
  /** Number of profiles of this kind. */
  count(kind: ProfileKind): number;
  /** Finishes the writes that wait and closes the store. */
  close(): Promise<void>;
}

/**
 * Profiles cannot be written or read now: the disk is full or failed, the store is away or at its
 * limit.
 */
export class ProfileStoreUnavailableError extends Error {
  override readonly name = "ProfileStoreUnavailableError";
  constructor(
    readonly path: string,
    cause: unknown,
    remedy =
      "Nothing was written. Free disk space or repair the disk; writes go on as soon as writing works.",
    action: "write to" | "read" = "write to",
  ) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot ${action} ${path}: ${reason}. ${remedy}`, { cause });
  }
}

/** Whether the profile is the one that was read as `before`. */
export function isUnchanged(present: Profile | undefined, before: Profile): boolean {
  return present?.version === before.version && present.updatedAtMs === before.updatedAtMs;
}

/** A cursor that no page of this store has given. */
export class ProfileCursorError extends Error {
  override readonly name = "ProfileCursorError";
  constructor(readonly cursor: string) {
    super(`The cursor ${JSON.stringify(cursor)} was not given by this store.`);
  }
}

/** The remedy where a store is at its limit; a full disk cannot be told from it. */
export function profilesFull(bytesMax: number): string {
  return `Nothing was written. The profiles have reached their limit of ${bytesMax} bytes, or the ` +
    "disk is full: delete profiles, raise storage.profilesBytesMax, or free disk space.";
}
