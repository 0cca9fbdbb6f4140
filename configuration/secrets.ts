/**
 * Keeps secrets out of messages: API keys, and every value that comes from the environment. A
 * message is printed in a terminal and stored in logs that more people read than the file.
 */
import { type ConfigurationPath, formatPath } from "./problems.ts";

/** Shorter texts are not searched for in messages, because they would match ordinary words. */
const SEARCHED_CHARACTERS_MIN = 8;

/** A value taken from the environment. */
export interface EnvironmentValue {
  readonly path: ConfigurationPath;
  readonly text: string;
}

/** The secret values of one file. */
export class Secrets {
  readonly #hiddenPaths: ReadonlySet<string>;
  readonly #texts: readonly string[];

  /** @param value The file's content. */
  constructor(value: unknown, environment: readonly EnvironmentValue[]) {
    this.#hiddenPaths = new Set(environment.map(({ path }) => formatPath(path)));
    this.#texts = [
      ...environment.map(({ text }) => text),
      ...textsIn(apiKeysOf(value)),
      ...textsIn(meshSecretsOf(value)),
      ...textsIn(storageSecretsOf(value)),
    ]
      .filter(({ length }) => length >= SEARCHED_CHARACTERS_MIN)
      .flatMap((text) => [text, JSON.stringify(text).slice(1, -1)])
      // A longer secret may contain a shorter one.
      .sort((a, b) => b.length - a.length);
  }

  /** Whether a message must not show the value at `path`. */
  hides(path: ConfigurationPath): boolean {
    return (path[0] === "gateway" && path[1] === "apiKeys") ||
      (path[0] === "mesh" && String(path[1]).startsWith("secret")) ||
      (path[0] === "storage" && path[1] === "redis" &&
        ["password", "sentinelPassword", "url"].includes(String(path[2]))) ||
      (path[0] === "storage" && path[1] === "s3" &&
        ["secretAccessKey", "sessionToken"].includes(String(path[2]))) ||
      this.#hiddenPaths.has(formatPath(path));
  }

  /** The message with every secret replaced by `…`. */
  redacted(message: string): string {
    return this.#texts.reduce((text, secret) => text.replaceAll(secret, "…"), message);
  }
}

/** A hidden value in a message: its type and size. */
export function hidden(value: unknown): string {
  if (typeof value === "string") return `a text of ${value.length} characters`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === "object" ? "a map" : `a ${typeof value}`;
}

function apiKeysOf(value: unknown): unknown {
  const gateway = (value as { gateway?: { apiKeys?: unknown } } | null | undefined)?.gateway;
  return gateway?.apiKeys;
}

function meshSecretsOf(value: unknown): unknown[] {
  const { mesh } = (value ?? {}) as { mesh?: { secret?: unknown; secretBefore?: unknown } | null };
  return [mesh?.secret, mesh?.secretBefore];
}

/** The passwords of Redis, by themselves and in its address, and the key and token of S3. */
function storageSecretsOf(value: unknown): unknown[] {
  const { storage } = (value ?? {}) as {
    storage?: {
      redis?: { url?: unknown; password?: unknown; sentinelPassword?: unknown } | null;
      s3?: { secretAccessKey?: unknown; sessionToken?: unknown } | null;
    } | null;
  };
  const { url, password, sentinelPassword } = storage?.redis ?? {};
  const inUrl = typeof url === "string" ? /\/\/[^/@]*:([^/@]+)@/.exec(url)?.[1] : undefined;
  const { secretAccessKey, sessionToken } = storage?.s3 ?? {};
  return [password, sentinelPassword, inUrl, secretAccessKey, sessionToken];
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, element]) => [
    ...(Array.isArray(value) ? [] : [key]),
    ...textsIn(element),
  ]);
}
