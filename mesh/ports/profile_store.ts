/**
 * Attributes of users and items, written over HTTP and read when features are made.
 */
export type ProfileKind = "user" | "item";

/** One attribute; a list is a list feature, a number may be bucketed. */
export type AttributeValue = string | number | boolean | readonly string[] | null;

/** Attributes by name. */
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** What is stored about one user or item. */
export interface Profile {
  readonly id: string;
  readonly attributes: Attributes;
  /** Wall time of the last write, ms since the Unix epoch. */
  readonly updatedAtMs: number;
  /** Grows by one with each write of this profile, from 1; a deleted profile that is written again begins anew. */
  readonly version: number;
}

/** Profiles by kind and id. */
export interface ProfileStore {
  /** Synchronous by contract: a ranking reads the profiles of one moment. */
  get(kind: ProfileKind, id: string): Profile | undefined;
  /** Several at once, in the order of `ids`. */
  getMany(kind: ProfileKind, ids: readonly string[]): (Profile | undefined)[];
  /**
   * Calls `listener` with the id of each profile that was written or deleted, when the change is readable and before
   * its writer is told: whoever keeps something made of profiles forgets it then. Returns unsubscribe.
   */
  onChanged(kind: ProfileKind, listener: (id: string) => void): () => void;
  /** Replaces the attributes; resolves with the new profile once durable. */
  put(kind: ProfileKind, id: string, attributes: Attributes): Promise<Profile>;
  /** Forgets the profile; resolves, once that is durable, with whether there was one. In one order with puts. */
  delete(kind: ProfileKind, id: string): Promise<boolean>;
  /** Profiles of this kind. */
  count(kind: ProfileKind): number;
  /** Lets go of what it holds. */
  close(): Promise<void>;
}
