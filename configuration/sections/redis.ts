/**
 * `storage.redis`: logs and profiles on a Redis or Valkey server.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

const url = z.string().regex(/^(rediss?:\/\/[^/\s]+(\/\d+)?|unix:\/\/\/\S+)$/).meta({
  expected: 'an address such as "redis://10.0.0.5:6379", "rediss://…" or "unix:///run/redis.sock"',
});

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/).meta({
  expected: "a name of lower-case letters, digits and hyphens",
});

const file = z.string().min(1).meta({ expected: "the path of a PEM file" });

const sentinel = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^:/\s]+):\d+$/).meta({
  expected: 'an address and a port such as "10.0.0.5:26379"',
});

export const redisSection = z.strictObject({
  url: url.describe(
    "Address of the server: redis://host:port, rediss://host:port for TLS, or unix:///path for a socket. Database after a slash. With sentinels, the name of the primary is in place of host and port: redis://mymaster.",
  ),
  sentinels: z.array(sentinel).min(1).optional().describe(
    "Sentinels that know the primary; each connection asks them, one after another, until one answers.",
  ),
  sentinelPassword: z.string().min(1).optional().describe(
    "Password of the sentinels; ${NAME} reads it from the environment.",
  ),
  tls: z.strictObject({
    ca: file.optional().describe(
      "Certificate of the authority that signed the server's, where the machine does not know it.",
    ),
    cert: file.optional().describe(
      "Certificate of this client, where the server asks for one; with key.",
    ),
    key: file.optional().describe("Key of cert."),
  }).optional().describe("PEM files for rediss://, relative to the configuration file."),
  username: z.string().min(1).optional().describe("User of the server's access control list."),
  password: z.string().min(1).optional().describe(
    "Password of the server; ${NAME} reads it from the environment.",
  ),
  name: name.optional().describe(
    "Name that all keys contain, so that several meshes can use one server. Default: mesh.id, or cairn.",
  ),
  replicas: z.int().min(0).max(10).default(0).describe(
    "Replicas of the server that must have an accepted event on their disks before it is answered. 0: the server's own disk is enough, and a failover to a replica may lose the newest events.",
  ),
  deadline: duration("50ms", "1m").default(2000).describe(
    "Time within which the server must answer; then the connection is made anew.",
  ),
  durableWait: duration("100ms", "5m").default(5000).describe(
    "Time within which the disks must confirm a write.",
  ),
  profilesCache: size("1MiB", "64GiB").default(128 * 2 ** 20).describe(
    "Memory in which each process keeps the profiles of users, and again as much for those of items.",
  ),
}).describe(
  "Logs and profiles on a Redis (7.2 or newer) or Valkey server instead of the data directory, which then holds the snapshots. The server needs `appendonly yes` and `maxmemory-policy noeviction`.",
);

export type RedisSection = z.output<typeof redisSection>;
