/**
 * A mesh of real processes over a real Redis or Valkey server, with two hosts that join and train.
 */
import assert from "node:assert/strict";
import type { ServerProgram } from "../../mesh/adapters/redis/local_server.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";
import type { Client } from "./small_mesh.ts";

/**
 * A mesh of four processes: `edge` serves, `learn-1` and `learn-2` have the joiners and two
 * trainers, `tables` has the shards.
 */
export interface LearningHosts
  extends Pick<HostsOnRedis, "redis" | "processes" | "store" | "cairn"> {
  readonly client: Client;
}

export interface LearningHostsOptions {
  readonly lease?: string;
  /** Partitions of the event log, each with a joiner. */
  readonly joiners?: number;
  readonly trainers?: number;
}

/** Runs a test with the processes, over a Redis or Valkey server of its own. */
export async function withLearningHosts(
  program: ServerProgram,
  run: (world: LearningHosts) => Promise<void>,
  { lease = "10s", joiners = 2, trainers = 2 }: LearningHostsOptions = {},
): Promise<void> {
  await withHostsOnRedis({
    program,
    roles: {
      edge: "serving",
      "learn-1": "joiner, trainer",
      "learn-2": "joiner, trainer",
      tables: "shards",
    },
    placement: "in one thread",
    trainers,
    snapshots: "1h",
    mesh: ["balance: false", "heartbeat: 300ms", "silence: 10s", `lease: ${lease}`],
    change: (small) =>
      small
        .replace("window: 2s", "window: 1h")
        .replace("joiner:\n", `joiner:\n  partitions: ${joiners}\n`)
        // The example log is read at the end, so no snapshot may trim it.
        .replace("spread: 0ms", "spread: 0ms, retained: 9"),
  }, ({ clients: [client], ...hosts }) => run({ client, ...hosts }));
}

/** The answer of `cairn status --json`. */
export async function statusOf(cairn: LearningHosts["cairn"]) {
  return JSON.parse((await cairn("status", "--json")).out);
}

/** A plan is written for one version of the mesh, which changes until all parts are placed. */
export async function allPlaced(cairn: LearningHosts["cairn"]): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  while ((await statusOf(cairn)).restless.length > 0) {
    assert.ok(performance.now() < deadlineMs, "all parts are placed");
    await new Promise((end) => setTimeout(end, 50));
  }
}
