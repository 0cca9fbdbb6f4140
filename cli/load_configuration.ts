/**
 * Reads `cairn.yaml` from disk and checks it against this machine.
 */
import { dirname, isAbsolute, resolve } from "node:path";
import { parseDocument } from "yaml";
import { type CairnConfiguration, parseConfiguration } from "../configuration/configuration.ts";
import { memoryLimitBytes } from "../mesh/adapters/linux/memory_limit.ts";
import { type ConfigurationOverrides, overrideConfiguration } from "./configuration_overrides.ts";

/** The configuration file cannot be read. */
export class ConfigurationFileError extends Error {
  override readonly name = "ConfigurationFileError";
}

/** The configuration's use by a command. */
export interface LoadOptions {
  /**
   * Whether the command answers HTTP. Commands that do not need no API keys: a key whose
   * environment variable is not set gets a placeholder. Default true.
   */
  readonly serves?: boolean;
}

/**
 * @param overrides Changes that the command line makes.
 * @throws {ConfigurationFileError} When the file cannot be read.
 * @throws {ConfigurationError} With every problem of the file and of the typed changes.
 * @throws {CommandError} When a `--set` is not an assignment.
 */
export async function loadConfiguration(
  path: string,
  overrides: ConfigurationOverrides = { assignments: [] },
  { serves = true }: LoadOptions = {},
): Promise<CairnConfiguration> {
  const text = await readConfiguration(path);
  const overridden = overrideConfiguration(text, overrides);
  const placeholders = serves ? new Map<string, string>() : keyPlaceholders(overridden.text);
  const host = {
    memoryBytes: memoryLimitBytes(Deno.systemMemoryInfo().total),
    environment: (name: string) => Deno.env.get(name) ?? placeholders.get(name),
  };
  const typed = { fileText: text, changes: overridden.changes };
  const configuration = parseConfiguration(overridden.text, path, host, typed);
  const { storage } = configuration;
  if (storage.kind !== "directory") return configuration;
  const fromFile = (name: string) => resolve(dirname(path), name);
  const { redis } = storage;
  const tls = redis?.tls && {
    ...(redis.tls.ca !== undefined && { ca: fromFile(redis.tls.ca) }),
    ...(redis.tls.cert !== undefined && { cert: fromFile(redis.tls.cert) }),
    ...(redis.tls.key !== undefined && { key: fromFile(redis.tls.key) }),
  };
  return {
    ...configuration,
    storage: {
      ...storage,
      path: fromFile(storage.path),
      ...(redis && { redis: { ...redis, ...(tls && { tls }) } }),
    },
  };
}

/** A key in place of each environment variable that `gateway.apiKeys` reads. */
function keyPlaceholders(text: string): Map<string, string> {
  const keys: unknown = parseDocument(text).toJS()?.gateway?.apiKeys;
  const names = (Array.isArray(keys) ? keys : [])
    .map((key) => /^\$\{(\w+)\}$/.exec(String(key))?.[1])
    .filter((name) => name !== undefined);
  return new Map(names.map((name, i) => [name, `placeholder for key ${i}`]));
}

/** The file's text with the changes of the command line, unchecked. */
export async function configurationText(
  path: string,
  overrides: ConfigurationOverrides,
): Promise<string> {
  return overrideConfiguration(await readConfiguration(path), overrides).text;
}

/**
 * Whether the file has a section. True for a file that is not YAML: the configuration's own reader
 * then reports the error.
 */
export async function configures(path: string, section: string): Promise<boolean> {
  const document = parseDocument(await readConfiguration(path));
  return document.errors.length > 0 || document.has(section);
}

async function readConfiguration(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const folder = isAbsolute(path) ? "" : ` in ${dirname(resolve(path))}`;
    const reason = cause instanceof Deno.errors.NotFound
      ? `there is no such file${folder}; examples/movies.yaml is one to begin from`
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new ConfigurationFileError(`Cannot read the configuration ${path}: ${reason}.`, {
      cause,
    });
  }
}
