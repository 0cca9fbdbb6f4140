/** The last snapshot of a process that stops, where shards are there or gone. */
import assert from "node:assert/strict";
import { Mesh } from "../../mesh/runtime/mesh.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { takeLastSnapshot } from "../../server/last_snapshot.ts";
import { NO_ANSWER, scripted } from "../actors/scripted.ts";

/** Has a snapshot taken by these answers; how long that took, and the warnings. */
async function stopWith({ shard, snapshot }: {
  readonly shard: (() => unknown) | undefined;
  readonly snapshot: (simulated: SimulatedMesh) => unknown;
}) {
  const simulated = new SimulatedMesh({ seed: 1 });
  const mesh = new Mesh({
    home: simulated.node(),
    composition: {
      definitions: [
        scripted("embedding_shard", () => shard?.()),
        scripted("snapshotter", () => snapshot(simulated)),
      ],
    },
  });
  const actor = { key: "0", node: "main", options: undefined };
  await simulated.settle(mesh.start([
    ...(shard === undefined ? [] : [{ ...actor, kind: "embedding_shard" }]),
    { ...actor, kind: "snapshotter" },
  ]));
  const beganMs = simulated.clock.monotonicMs();
  await simulated.settle(takeLastSnapshot(mesh, { shardCount: 1, sharding: 0 }), 60_000);
  const tookMs = simulated.clock.monotonicMs() - beganMs;
  await simulated.advance(30_000);
  const warnings = simulated.telemetry.lines.map(({ message, fields }) =>
    `${message}: ${fields.cause}`
  );
  await simulated.settle(mesh.stop(0));
  return { tookMs, warnings };
}

Deno.test("a stop waits for no snapshot without a shard that is gone, and says so", async () => {
  const { tookMs, warnings } = await stopWith({
    shard() {
      throw new Error("its host is gone");
    },
    snapshot: () => NO_ANSWER,
  });
  assert.ok(tookMs >= 3_000 && tookMs < 3_600, `${tookMs} ms`);
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0],
    /^no snapshot at the end; .*: Error: its host is gone/,
  );
});

Deno.test("a stop waits for the snapshot while shards answer, also after one was away for a moment", async () => {
  let asks = 0;
  const { tookMs, warnings } = await stopWith({
    shard() {
      asks++;
      if (asks >= 2 && asks <= 4) throw new Error("another host restores it");
      return { incarnation: "first" };
    },
    snapshot: async ({ clock }) => {
      await clock.delay(5_000);
      return {};
    },
  });
  assert.deepEqual(warnings, []);
  assert.ok(tookMs >= 5_000 && tookMs < 5_100, `${tookMs} ms`);
  assert.ok(asks >= 9 && asks <= 11, `${asks} looks`);
});

Deno.test("a process that stops before shards have had a host takes no snapshot", async () => {
  const { tookMs, warnings } = await stopWith({ shard: undefined, snapshot: () => NO_ANSWER });
  assert.deepEqual([tookMs, warnings], [0, []]);
});
