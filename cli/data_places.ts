/**
 * The data that a command was pointed to: by the folder that has it, or by the configuration that
 * says where it is.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { type DataPlaces, inDirectory, isFile } from "../offline/data_directory/existing_stores.ts";
import { usageError } from "./errors.ts";
import { loadConfiguration } from "./load_configuration.ts";

/** Places of data, with the configuration where they were read from one. */
export interface FoundPlaces extends DataPlaces {
  readonly configuration?: CairnConfiguration;
}

/**
 * @param path A file is a configuration, and all else a data directory, which may be missing.
 * @throws {ConfigurationError} With every problem of the configuration.
 * @throws {CommandError} When the configuration keeps its data in memory.
 */
export async function findPlaces(path: string): Promise<FoundPlaces> {
  if (!await isFile(path)) return inDirectory(path);
  const configuration = await loadConfiguration(path, undefined, { serves: false });
  const { storage } = configuration;
  if (storage.kind !== "directory") {
    throw usageError(
      `A server with ${path} keeps nothing: its storage.kind is memory. Give the configuration of ` +
        "a server with storage.kind: directory.",
    );
  }
  const { path: directory, redis, s3 } = storage;
  return { directory, logsOnRedis: redis !== undefined, ...(s3 && { s3 }), configuration };
}
