/**
 * Reads `cairn.yaml` from disk and checks it against this machine.
 */
import { dirname, resolve } from "node:path";
import { type CairnConfiguration, parseConfiguration } from "../configuration/configuration.ts";

/** The configuration file cannot be read. */
export class ConfigurationFileError extends Error {
  override readonly name = "ConfigurationFileError";
}

/**
 * @param edit Changes the text before it is read (what the command line overrides).
 * @throws {ConfigurationFileError} When the file cannot be read.
 * @throws {ConfigurationError} With every problem found in it.
 */
export async function loadConfiguration(
  path: string,
  edit: (text: string) => string = (text) => text,
): Promise<CairnConfiguration> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    const reason = cause instanceof Deno.errors.NotFound
      ? "there is no such file; examples/movies.yaml is one to begin from"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new ConfigurationFileError(`Cannot read the configuration ${path}: ${reason}.`, {
      cause,
    });
  }
  const configuration = parseConfiguration(edit(text), path, {
    memoryBytes: Deno.systemMemoryInfo().total,
    environment: (name) => Deno.env.get(name),
  });
  const { storage } = configuration;
  if (storage.kind !== "directory") return configuration;
  return {
    ...configuration,
    storage: { ...storage, path: resolve(dirname(path), storage.path) },
  };
}
