/**
 * Refuses a server that would lose data silently: one without an append-only file, one that evicts
 * keys when its memory is full, a replica, and versions without the commands that are needed.
 */
import type { ServerReport } from "./redis_connection.ts";

/** A server that cannot hold the mesh's data. */
export class UnsafeRedisError extends Error {
  override readonly name = "UnsafeRedisError";
  constructor(url: string, reason: string, remedy: string) {
    super(`The Redis at ${url} ${reason}. ${remedy}`);
  }
}

/** Facts about a server that was accepted. */
export interface ServerFacts {
  /** For example `redis 8.0.2` or `valkey 8.1.1`. */
  readonly version: string;
  /** Bytes at which it refuses writes; 0 = no limit. */
  readonly maxmemoryBytes: number;
  /** Settings that lose nothing silently, but that an operator should know of. */
  readonly warnings: readonly string[];
}

/**
 * Reads the report of a server.
 *
 * @throws {UnsafeRedisError} It would lose data.
 */
export function checkServer(url: string, report: ServerReport, replicas: number): ServerFacts {
  const fact = (name: string) => report.get(name) ?? "";
  const refuse = (reason: string, remedy: string): never => {
    throw new UnsafeRedisError(url, reason, remedy);
  };
  const isValkey = fact("server_name") === "valkey";
  const version = isValkey ? fact("valkey_version") : fact("redis_version");
  const [major, minor] = fact("redis_version").split(".").map(Number);
  if (major < 7 || (major === 7 && minor < 2)) {
    refuse(`has version ${version}, which lacks WAITAOF`, "Use Redis 7.2 or Valkey 7.2 or newer.");
  }
  if (fact("cluster_enabled") === "1") {
    refuse(
      "runs in cluster mode",
      "Use one primary with replicas: all keys of a mesh lie in one slot, so a cluster adds nothing.",
    );
  }
  if (fact("role") === "slave") {
    refuse(
      "is a replica",
      `Connect to its primary, ${fact("master_host")}:${fact("master_port")}.`,
    );
  }
  if (fact("aof_enabled") !== "1") {
    refuse(
      "has no append-only file, so a restart loses events",
      "Set `appendonly yes` and `appendfsync always` (or `everysec`) in its configuration.",
    );
  }
  const policy = fact("maxmemory_policy");
  if (policy !== "noeviction") {
    refuse(
      `deletes keys when its memory is full (maxmemory-policy ${policy})`,
      "Set `maxmemory-policy noeviction`: a full server then refuses writes, which Cairn reports.",
    );
  }
  const fsync = fact("appendfsync");
  if (fsync === "no") {
    refuse(
      "never syncs its append-only file itself (appendfsync no)",
      "Set `appendfsync always` or `everysec`.",
    );
  }
  const warnings: string[] = [];
  const connected = Number(fact("connected_slaves"));
  if (connected < replicas) {
    warnings.push(
      `The Redis at ${url} has ${connected} replicas, and ${replicas} must confirm each durable write: nothing is accepted before they are connected. Connect them, or lower storage.redis.replicas.`,
    );
  }
  const maxmemoryBytes = Number(fact("maxmemory"));
  if (maxmemoryBytes === 0) {
    warnings.push(
      `The Redis at ${url} has no maxmemory: it may be killed when the machine's memory is used up. Set maxmemory to at most two thirds of it.`,
    );
  }
  if (fsync === "") {
    warnings.push(
      `The Redis at ${url} does not let its settings be read, so appendfsync is not checked: it must be \`always\` or \`everysec\`. Allow its user \`+config|get\`.`,
    );
  }
  if (fsync === "everysec") {
    warnings.push(
      `The Redis at ${url} syncs once a second (appendfsync everysec), so each accepted event waits for it, up to a second or more, and may be answered 504. \`appendfsync always\` answers as soon as the disk has it.`,
    );
  }
  return { version: `${isValkey ? "valkey" : "redis"} ${version}`, maxmemoryBytes, warnings };
}
