/**
 * The stored attributes of a server or of a data directory, as the catalogue's commands use them.
 */
import { Cairn, type Profiles } from "../../clients/cairn.ts";
import { FieldErrorBudget } from "../../gateway/parsing/field_errors.ts";
import { validateEntry } from "../../gateway/parsing/validation.ts";
import { problemOf } from "../../gateway/problems.ts";
import { profileEntrySchema } from "../../gateway/schemas/profiles.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import {
  type DataDirectory,
  openDataDirectory,
} from "../../mesh/adapters/embedded/data_directory.ts";
import { SqliteProfileStore } from "../../mesh/adapters/embedded/sqlite_profile_store.ts";
import type { Profile, ProfileKind } from "../../mesh/ports/profile_store.ts";
import { usageError } from "../errors.ts";
import { requireServerUrl } from "../load/gateway_client.ts";
import type { CatalogueFlags } from "./command.ts";

/** Profiles of one page. */
const PAGE_PROFILES = 1_000;

/** Stored attributes of one kind. */
export interface Catalogue {
  count(): Promise<number>;
  /** @param writtenBeforeMs Only profiles whose last write was before; absent = all. */
  list(writtenBeforeMs: number | undefined): AsyncIterable<Profile>;
  /** Stores profiles. Returns for each the reason why it was refused; undefined = it is stored. */
  store(entries: readonly unknown[]): Promise<(string | undefined)[]>;
  close(): Promise<void>;
}

/** @throws {CommandError} The address is none, or the folder holds no profiles. */
export function openCatalogue(kind: ProfileKind, flags: CatalogueFlags): Catalogue {
  if (flags.data !== undefined) return new DirectoryCatalogue(kind, flags.data);
  requireServerUrl(flags.url);
  const { url, apiKey } = flags;
  const cairn = new Cairn({ url, ...(apiKey !== undefined && { apiKey }) });
  return new ServerCatalogue(kind === "item" ? cairn.items : cairn.users);
}

class ServerCatalogue implements Catalogue {
  constructor(readonly profiles: Profiles) {}

  count(): Promise<number> {
    return this.profiles.count();
  }

  list(writtenBeforeMs: number | undefined): AsyncIterable<Profile> {
    return this.profiles.list(
      writtenBeforeMs === undefined ? {} : {
        writtenBefore: writtenBeforeMs,
      },
    );
  }

  async store(entries: readonly unknown[]): Promise<(string | undefined)[]> {
    // The server checks them.
    const { profiles } = await this.profiles.putMany(
      entries as Parameters<Profiles["putMany"]>[0],
    );
    return profiles.map((result) =>
      result.status === "rejected" ? result.problem.detail : undefined
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class DirectoryCatalogue implements Catalogue {
  readonly #kind: ProfileKind;
  readonly #directory: DataDirectory;
  readonly #store: SqliteProfileStore;

  constructor(kind: ProfileKind, folder: string) {
    const path = `${folder}/profiles.db`;
    if (!exists(path)) {
      throw usageError(
        `${folder} holds no profiles (profiles.db). Name the storage.path of a server that ran.`,
      );
    }
    this.#kind = kind;
    this.#directory = openDataDirectory(folder);
    try {
      this.#store = new SqliteProfileStore({ path, clock: new DenoClock() });
    } catch (error) {
      this.#directory.release();
      throw error;
    }
  }

  count(): Promise<number> {
    return Promise.resolve(this.#store.count(this.#kind));
  }

  async *list(writtenBeforeMs = Infinity): AsyncIterable<Profile> {
    let cursor: string | undefined;
    do {
      const page = await this.#store.list(this.#kind, cursor, PAGE_PROFILES);
      yield* page.profiles.filter(({ updatedAtMs }) => updatedAtMs < writtenBeforeMs);
      cursor = page.next;
    } while (cursor !== undefined);
  }

  store(entries: readonly unknown[]): Promise<(string | undefined)[]> {
    const budget = new FieldErrorBudget();
    return Promise.all(entries.map(async (entry, i) => {
      try {
        const { id, attributes } = validateEntry(profileEntrySchema, entry, [i], budget);
        await this.#store.put(this.#kind, id, attributes);
        return undefined;
      } catch (error) {
        const problem = problemOf(error);
        // A full disk is a failure of the command, and not of a line.
        if (problem.status >= 500) throw error;
        return problem.detail;
      }
    }));
  }

  async close(): Promise<void> {
    await this.#store.close();
    this.#directory.release();
  }
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
