/**
 * Reads `cairn.yaml` from disk and checks it against this machine.
 */
import { dirname, resolve } from "node:path";
import { parseDocument } from "yaml";
import { type CairnConfiguration, parseConfiguration } from "../configuration/configuration.ts";
import { type ConfigurationOverrides, overrideConfiguration } from "./configuration_overrides.ts";

/** The configuration file cannot be read. */
export class ConfigurationFileError extends Error {
  override readonly name = "ConfigurationFileError";
}

/**
 * @param overrides What the command line changes.
 * @throws {ConfigurationFileError} When the file cannot be read.
 * @throws {ConfigurationError} With every problem found in it, or in what was typed.
 * @throws {CommandError} What was typed is no assignment.
 */
export async function loadConfiguration(
  path: string,
  overrides: ConfigurationOverrides = { assignments: [] },
): Promise<CairnConfiguration> {
  const text = await readConfiguration(path);
  const overridden = overrideConfiguration(text, overrides);
  const host = {
    memoryBytes: Deno.systemMemoryInfo().total,
    environment: (name: string) => Deno.env.get(name),
  };
  const typed = { fileText: text, changes: overridden.changes };
  const configuration = parseConfiguration(overridden.text, path, host, typed);
  const { storage } = configuration;
  if (storage.kind !== "directory") return configuration;
  return {
    ...configuration,
    storage: { ...storage, path: resolve(dirname(path), storage.path) },
  };
}

/** The file's text with what the command line changes, unchecked. */
export async function configurationText(
  path: string,
  overrides: ConfigurationOverrides,
): Promise<string> {
  return overrideConfiguration(await readConfiguration(path), overrides).text;
}

/** Whether the file has a section. What is no YAML has it, as far as this tells: its reader says what is wrong. */
export async function configures(path: string, section: string): Promise<boolean> {
  const document = parseDocument(await readConfiguration(path));
  return document.errors.length > 0 || document.has(section);
}

async function readConfiguration(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
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
}
