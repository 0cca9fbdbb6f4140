/**
 * The folder of `cairn train --save`: a data directory with the model, and the configuration that
 * it was trained with. A server starts from the two.
 */
import { parseDocument } from "yaml";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { openDataDirectory } from "../../mesh/adapters/embedded/data_directory.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import { SqliteProfileStore } from "../../mesh/adapters/embedded/sqlite_profile_store.ts";
import type { DatasetProfiles } from "../../offline/datasets/profiles.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { profileKinds } from "../../mesh/ports/profile_store.ts";
import type { ConfigurationOverrides } from "../configuration_overrides.ts";
import { usageError } from "../errors.ts";
import { configurationText } from "../load_configuration.ts";

const PROFILES = "profiles.db";
const PROFILES_PER_COMMIT = 1_000;

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

export interface SavedModel {
  readonly blobs: BlobStore;
  /** Stores the attributes that the model was trained with. */
  storeProfiles(profiles: DatasetProfiles): Promise<void>;
  /**
   * Releases the folder to servers, and writes the configuration if it holds a model. If training
   * failed before a model was stored, removes everything that was made.
   *
   * @returns The file to serve the model with.
   */
  close(): Promise<string | undefined>;
}

/** Makes the folder and locks it. */
export async function openSavedModel(
  folder: string,
  config: string,
  overrides: ConfigurationOverrides,
): Promise<SavedModel> {
  const here = ["storage.kind=directory", "storage.path=."];
  const assignments = [...overrides.assignments, ...here];
  const text = ofOneServer(await configurationText(config, { ...overrides, assignments }));
  const isNew = await Deno.stat(folder).then(() => false, () => true);
  const directory = openDataDirectory(folder);
  const blobs = new DirectoryBlobStore(`${folder}/blobs`);
  return {
    blobs,
    async storeProfiles(profiles) {
      const store = new SqliteProfileStore({
        path: `${folder}/${PROFILES}`,
        clock: new DenoClock(),
      });
      try {
        for (const kind of profileKinds) {
          const entries = [...profiles[kind]];
          for (let at = 0; at < entries.length; at += PROFILES_PER_COMMIT) {
            const some = entries.slice(at, at + PROFILES_PER_COMMIT);
            await Promise.all(some.map(([id, attributes]) => store.put(kind, id, attributes)));
          }
        }
      } finally {
        await store.close();
      }
    },
    async close() {
      try {
        const [model] = await readManifests(blobs);
        if (model !== undefined) {
          const saved = `${folder}/cairn.yaml`;
          const header = "# Serves the model of this folder, which cairn train wrote.\n";
          await Deno.writeTextFile(saved, header + text);
          return saved;
        }
      } finally {
        directory.release();
      }
      for (const made of ["blobs", "lock", PROFILES]) {
        await Deno.remove(`${folder}/${made}`, { recursive: true }).catch(ignoreMissing);
      }
      if (isNew) await Deno.remove(folder);
      return undefined;
    },
  };
}

/** The configuration without the mesh and the servers that its hosts share: the folder has all. */
function ofOneServer(text: string): string {
  const document = parseDocument(text);
  const shared = [["mesh"], ["storage", "redis"], ["storage", "s3"]]
    .filter((path) => document.hasIn(path));
  for (const path of shared) document.deleteIn(path);
  return shared.length === 0 ? text : String(document);
}

/**
 * Refuses a folder that is not empty: a model must not be mixed with other logs, nor replace
 * another model unasked.
 *
 * @throws {CommandError} When the folder is not empty or cannot be read.
 */
export async function requireEmptyFolder(folder: string): Promise<void> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw usageError(`Cannot save the model to ${folder}: ${error.message}.`);
  });
  if (entries.length === 0) return;
  throw usageError(
    `Cannot save the model to ${folder}: it holds ${entries[0].name}. Name a new or empty folder.`,
  );
}
