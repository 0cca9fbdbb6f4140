/**
 * `mesh`: the hosts of a mesh of several processes, their parts and their links.
 */
import { z } from "zod";
import { parseAddress } from "../addresses.ts";
import { duration, size } from "../units.ts";

/** The parts of a mesh that a host can run. */
export const roles = ["serving", "shards", "trainer", "joiner"] as const;

export type Role = typeof roles[number];

const ADDRESS = 'an address and a port such as "10.0.0.7:7400"';

/** `host:port`, parsed. */
const address = z.string().transform((text, context) => {
  const parsed = parseAddress(text);
  if (parsed !== undefined) return parsed;
  context.issues.push({ code: "custom", message: ADDRESS, input: text });
  return z.NEVER;
}).meta({ expected: ADDRESS });

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/).meta({
  expected: "a name of lower-case letters, digits and hyphens",
});

const secret = z.string().min(16);

const host = z.strictObject({
  address: address.describe("Address and port where the other hosts reach it."),
  listen: address.optional().describe(
    "Address and port to listen on, where that is not `address`: in a container 0.0.0.0 and the port.",
  ),
  roles: z.array(z.enum(roles)).min(1).describe(
    "Parts that it runs: serving (the HTTP API, ranking, and a copy of all rows), shards (the training table), trainer (the first one also carries what is learned to serving, and takes snapshots), joiner.",
  ),
  capacity: size("1MiB", "4TiB").optional().describe(
    "Memory for the shards that it is given, where the hosts have storage.redis. Default: enough for all shards.",
  ),
  http: address.optional().describe(
    "Address and port of its HTTP server: the API where it serves, else health and metrics. Default: `gateway.host` and `gateway.port` where it serves, else none.",
  ),
});

export const meshSection = z.strictObject({
  id: name.describe("Name of the mesh; hosts of another one are refused."),
  secret: secret.optional().describe(
    "Secret of all hosts, 16 characters or more; ${NAME} reads it from the environment. Needed unless all addresses are loopback addresses.",
  ),
  secretBefore: secret.optional().describe(
    "The secret before it was changed, accepted while hosts restart one after another.",
  ),
  hosts: z.record(name, host).describe(
    "The hosts by name; each is started by `cairn node --host NAME`.",
  ),
  heartbeat: duration("10ms", "1m").default(1000)
    .describe("A host sends something to each other host at least this often."),
  silence: duration("50ms", "10m").default(5000).describe(
    "Time without a byte from a host after which it counts as lost and asks to it fail; at least three times heartbeat.",
  ),
  lease: duration("500ms", "10m").default(10_000).describe(
    "Time without a word from a host to the Redis server after which its shards go to other hosts; the same on all hosts, and at least twice storage.redis.deadline. Used with storage.redis.",
  ),
  balance: z.boolean().default(true).describe(
    "Whether shards move by themselves when hosts differ in fullness by more than a tenth of the mean, and joiners and trainers when their numbers can be evener. Otherwise they move by `cairn apply` and `cairn drain` only. Used with storage.redis.",
  ),
  movesMax: z.int().min(1).max(64).default(2).describe(
    "Shards, joiners and trainers, each of them, that move at the same time. Used with storage.redis.",
  ),
  frameBytesMax: size("1MiB", "1GiB").default(64 * 2 ** 20)
    .describe("Maximum size of a message between hosts; the same on all hosts."),
  windowBytes: size("1MiB", "1GiB").default(64 * 2 ** 20).describe(
    "Bytes waiting for a host from which new messages to it are refused; at twice as many the link is closed.",
  ),
}).describe(
  "A mesh of several processes. Left out: one process, started by `cairn serve`, runs everything.",
);

export type MeshSection = z.output<typeof meshSection>;
