/**
 * Where `cairn train --save` leaves the model: a data directory as a server has one, and beside it the configuration
 * that it was trained with, so that a server begins from both.
 */
import { openDataDirectory } from "../../mesh/adapters/embedded/data_directory.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { ConfigurationOverrides } from "../configuration_overrides.ts";
import { usageError } from "../errors.ts";
import { configurationText } from "../load_configuration.ts";

export interface SavedModel {
  /** The file to serve it with. */
  readonly config: string;
  readonly blobs: BlobStore;
  /** Lets a server have the folder. */
  release(): void;
}

/** Makes the folder and writes the configuration into it. */
export async function openSavedModel(
  folder: string,
  config: string,
  overrides: ConfigurationOverrides,
): Promise<SavedModel> {
  const here = ["storage.kind=directory", "storage.path=."];
  const assignments = [...overrides.assignments, ...here];
  const text = await configurationText(config, { ...overrides, assignments });
  const directory = openDataDirectory(folder);
  const saved = `${folder}/cairn.yaml`;
  await Deno.writeTextFile(
    saved,
    `# Serves the model of this folder, which cairn train wrote.\n${text}`,
  );
  return {
    config: saved,
    blobs: new DirectoryBlobStore(`${folder}/blobs`),
    release: () => directory.release(),
  };
}

/**
 * A model must not be mixed with another one's logs, nor take its place unasked.
 *
 * @throws {CommandError} When something is in the folder.
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
