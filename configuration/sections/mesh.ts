/**
 * `shards`, `placement`, `sync` and `storage`: how the parts lie in threads and on disk, and how they keep up.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

export const shardsSection = z.strictObject({
  count: z.int().min(1).max(1024).default(4).describe(
    "Parts of the training table. After a change, a restart spreads the rows of the last snapshot anew.",
  ),
}).describe("How the training table is cut.");

export const placementSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("singleThread") })
    .describe("Everything in one thread: the least memory, and enough for most."),
  z.strictObject({
    kind: z.literal("workers"),
    shardThreads: z.int().min(1).max(64).default(1)
      .describe(
        "Threads that the shards are spread over; each trainer has one more, and scoring has one.",
      ),
  }).describe("Scoring, shards and trainers in worker threads."),
]).describe("Which threads the parts live in.");

export const syncSection = z.strictObject({
  rowsInterval: duration("1ms", "1d").default(100)
    .describe("Pause between rounds that carry learned rows to those who serve."),
  denseInterval: duration("1ms", "7d").default(100)
    .describe("Pause between transfers of dense weights."),
  rowsMax: z.int().min(1).max(1_000_000).default(8192).describe("Rows in one delta."),
  deltasPerRoundMax: z.int().min(1).max(10_000).default(16)
    .describe("Deltas taken from one shard in one round."),
  budget: duration("10ms", "10m").default(5000).describe("Time for one message of a round."),
}).describe("How what was learned reaches those who serve.");

export const storageSection = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("memory"),
    logBytesMax: size("1MiB", "1TiB").default(256 * 2 ** 20).describe("Limit of each log."),
  }).describe("Nothing survives the process: demos and tests."),
  z.strictObject({
    kind: z.literal("directory"),
    path: z.string().min(1).describe("Made where it is missing; relative to this file."),
    logBytesMax: size("1MiB", "100TiB").default(8 * 2 ** 30).describe("Limit of each log."),
    snapshots: z.strictObject({
      interval: duration("1s", "30d").default(60_000)
        .describe(
          "From one snapshot to the next; a restart learns again what came after the last.",
        ),
      spread: duration("0ms", "10m").default(30_000).describe(
        "Time over which one is written, so that it takes little of the disk and the cores at once; " +
          "at most half of interval and of budget. A last one, at the end, is written at once.",
      ),
      kept: z.int().min(2).max(1000).default(2)
        .describe("Finished snapshots that are kept. The log before the oldest is forgotten."),
      chunkRows: z.int().min(1).max(1_000_000).default(8192)
        .describe("Rows that a shard writes in one turn: bounds its pause."),
      budget: duration("1s", "1d").default(10 * 60_000).describe("Time for one snapshot."),
    }).prefault({}).describe("What learning can be resumed from."),
  }).describe("Logs, profiles and snapshots on this machine's disk."),
]).describe("Where logs and profiles are kept.");

export type ShardsSection = z.output<typeof shardsSection>;
export type PlacementSection = z.output<typeof placementSection>;
export type SyncSection = z.output<typeof syncSection>;
export type StorageSection = z.output<typeof storageSection>;
