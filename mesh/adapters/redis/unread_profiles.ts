/**
 * Ids of profiles that were served as absent without having been read, or because their read was
 * late. Once the server answers again, all that was derived from their absence is to be dropped.
 */
import { type ProfileKind, profileKinds } from "../../ports/profile_store.ts";
import type { RedisConnection } from "./redis_connection.ts";

/** Time for which a profile that came late may be absent, ms. */
const ABSENT_MS = 1_000;
/** Ids that are remembered, for each kind. */
const UNREAD_MAX = 10_000;

export interface UnreadProfilesOptions {
  /** The connection on which profiles are read. */
  readonly reads: Pick<RedisConnection, "send">;
  /** A profile that was served as absent can be read now. */
  readonly onReadable: (kind: ProfileKind, id: string) => void;
  /** More ids were served as absent than are remembered. */
  readonly onTooMany: () => void;
}

export class UnreadProfiles {
  readonly #options: UnreadProfilesOptions;
  readonly #ids: Readonly<Record<ProfileKind, Set<string>>> = {
    user: new Set(),
    item: new Set(),
  };
  #telling: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(options: UnreadProfilesOptions) {
    this.#options = options;
  }

  /** Remembers ids that are served as absent; too many of them make everything old. */
  add(kind: ProfileKind, ids: Iterable<string>): void {
    const unread = this.#ids[kind];
    for (const id of ids) unread.add(id);
    if (unread.size > UNREAD_MAX) this.#options.onTooMany();
    if (unread.size > 0) this.#tellLater();
  }

  /** Forgets all ids: everything that was derived from profiles is dropped. */
  clear(): void {
    for (const kind of profileKinds) this.#ids[kind].clear();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#telling);
  }

  /** Tells of the ids when the server has answered a command behind their reads. */
  #tellLater(): void {
    if (this.#telling !== undefined || this.#isClosed) return;
    this.#telling = setTimeout(() => {
      this.#options.reads.send(["PING"]).then(
        () => {
          this.#telling = undefined;
          this.#tell();
        },
        () => {
          this.#telling = undefined;
          this.#tellLater();
        },
      );
    }, ABSENT_MS);
    Deno.unrefTimer(Number(this.#telling));
  }

  #tell(): void {
    for (const kind of profileKinds) {
      const ids = [...this.#ids[kind]];
      this.#ids[kind].clear();
      for (const id of ids) this.#options.onReadable(kind, id);
    }
  }
}
