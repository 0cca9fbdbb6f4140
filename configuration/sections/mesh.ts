/**
 * `shards`, `placement`, `sync` and `storage`: threads, files, and the transfer of learned rows to
 * serving.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";
import { redisSection } from "./redis.ts";
import { s3Section } from "./s3.ts";

export const shardsSection = z.strictObject({
  count: z.int().min(1).max(1024).default(4).describe(
    "Number of shards of the training table. After a change, a restart redistributes the rows of the last snapshot; a mesh on storage.redis keeps the number that it began with until `cairn reshard` changes it.",
  ),
}).describe("Partitioning of the training table.");

export const placementSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("singleThread") })
    .describe("All actors in one thread: least memory, and sufficient for most loads."),
  z.strictObject({
    kind: z.literal("workers"),
    shardThreads: z.int().min(1).max(64).default(1)
      .describe(
        "Threads for the shards; each trainer has one more thread.",
      ),
    scoringThread: z.enum(["auto", "main", "own"]).default("auto").describe(
      "Thread of the scorer, the serving replicas and the retriever. main = with HTTP and the ranker, which saves each ranking two messages between threads; own = one of their own, which can use a core more. auto = main for a single process on at most two cores, else own.",
    ),
  }).describe("Shards and trainers in worker threads, and scoring where scoringThread says."),
]).describe("Threads of the actors.");

export const syncSection = z.strictObject({
  rowsInterval: duration("1ms", "1d").default(100)
    .describe(
      "Pause between two looks at what the trainers have learned, after which the serving replicas get the learned rows. While nothing is learned, a look comes once a second.",
    ),
  denseInterval: duration("1ms", "7d").default(100)
    .describe("Pause between transfers of dense weights to the scorers."),
  rowsMax: z.int().min(1).max(1_000_000).default(8192).describe("Maximum of rows in a delta."),
  budget: duration("10ms", "10m").default(5000).describe("Time limit of a message."),
}).describe("Transfer of learned rows and weights to serving.");

export const storageSection = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("memory"),
    logBytesMax: size("1MiB", "1TiB").default(256 * 2 ** 20).describe("Limit of each log."),
    profilesBytesMax: size("1MiB", "1TiB").default(64 * 2 ** 20)
      .describe("Limit of all profiles; further ones are refused with 503."),
  }).describe("In memory, lost when the process ends: for demos and tests."),
  z.strictObject({
    kind: z.literal("directory"),
    path: z.string().min(1).describe(
      "The data directory, relative to this file; created if missing.",
    ),
    logBytesMax: size("1MiB", "100TiB").default(8 * 2 ** 30).describe("Limit of each log."),
    profilesBytesMax: size("1MiB", "100TiB").default(8 * 2 ** 30)
      .describe("Limit of the file of all profiles; further ones are refused with 503."),
    snapshots: z.strictObject({
      interval: duration("1s", "30d").default(60_000)
        .describe(
          "Interval between snapshots; a restart repeats the training after the last one.",
        ),
      spread: duration("0ms", "10m").default(30_000).describe(
        "Time over which writing a snapshot is spread, to limit the load on disk and cores; at most half of interval " +
          "and half of budget. The snapshot at the end of the process is written at full speed.",
      ),
      retained: z.int().min(2).max(1000).default(2)
        .describe(
          "Number of complete snapshots retained. The logs are trimmed up to the oldest one.",
        ),
      increments: z.int().min(0).max(1000).default(32).describe(
        "Snapshots in a row that hold only the changes since the one before; a start reads the last full one and " +
          "these. 0 makes every snapshot full.",
      ),
      incrementsShare: z.number().min(0.01).max(4).default(0.5).describe(
        "Bytes of these together, as a share of the last full snapshot, at most; what is over this limit is " +
          "written as a full one.",
      ),
      chunkRows: z.int().min(1).max(1_000_000).default(8192)
        .describe("Rows that a shard writes per turn, which bounds its pause."),
      budget: duration("1s", "1d").default(10 * 60_000).describe("Time limit of a snapshot."),
    }).prefault({}).describe("Snapshots, from which training resumes after a restart."),
    redis: redisSection.optional(),
    s3: s3Section.optional(),
  }).describe("In files of a data directory: logs, profiles and snapshots."),
]).describe("Storage of logs, profiles and snapshots.");

export type PlacementSection = z.output<typeof placementSection>;
export type StorageSection = z.output<typeof storageSection>;
