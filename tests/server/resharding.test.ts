/** The begin of a change of a number, on the host that takes its snapshot. */
import assert from "node:assert/strict";
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import type { MeshView, PlacedKey } from "../../mesh/ports/coordination.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { Resharding } from "../../server/resharding.ts";
import { descriptionOf, meshSettings } from "../mesh/placement/model.ts";

const HOUR_MS = 3_600_000;
const run = { host: "a", incarnation: "a-1" };

/** A mesh of three trainers, of which the first one alone has begun. */
async function world(takeSnapshot: () => Promise<void>) {
  const { clock, telemetry, random } = new SimulatedMesh({ seed: 1 });
  const store = new MemoryRecordStore(clock);
  const leases = { hostTtlMs: HOUR_MS, controlTtlMs: HOUR_MS };
  const coordination = new Coordinator({ store, random, ...leases });
  const protocols = [1, 2] as const;
  const parts = { eventPartitions: 1, examplePartitions: 4, trainers: 3 };
  await coordination.open(meshSettings({ ...parts, protocols }));
  await coordination.join({ ...descriptionOf(run), protocols });
  const resharding = new Resharding({ coordination, run, clock, telemetry, takeSnapshot });
  const follow = async (view?: MeshView, leads = true) => {
    resharding.follow(view ?? await coordination.read(), leads);
    await clock.advance(10);
  };
  return { coordination, telemetry, follow };
}

Deno.test("a change begins when its snapshot is there", async () => {
  const snapshot = Promise.withResolvers<void>();
  const { coordination, follow } = await world(() => snapshot.promise);
  await coordination.askReshard({ parts: "trainers", to: 1 });
  await follow();
  assert.equal((await coordination.read()).identity.trainers, 3);
  snapshot.resolve();
  await follow();
  assert.equal((await coordination.read()).identity.trainers, 1);
});

Deno.test("a host without the first trainer begins no change, and measures the one that it began", async () => {
  const { coordination, telemetry, follow } = await world(() => Promise.resolve());
  await coordination.askReshard({ parts: "trainers", to: 1 });
  await follow(undefined, false);
  assert.equal((await coordination.read()).identity.trainers, 3);
  await follow();
  const begun = await coordination.read();
  assert.equal(begun.identity.trainers, 1);
  const placement = {
    state: "active",
    epoch: 9,
    owner: { host: "b", incarnation: "b-1" },
  } as const;
  await follow({ ...begun, placements: new Map([["trainer/0", placement]]) }, false);
  assert.ok(telemetry.lines.some(({ message }) => message.startsWith("training goes on")));
});

Deno.test("a change with an override begins while a snapshot waits for a trainer, with its reason", async () => {
  let snapshots = 0;
  const { coordination, telemetry, follow } = await world(() => {
    snapshots++;
    return new Promise(() => {});
  });
  await coordination.askReshard({ parts: "trainers", to: 1 });
  await follow();
  assert.equal(snapshots, 1);
  await coordination.askReshard({ parts: "trainers", to: 1, override: "trainer 2 has no memory" });
  await follow();
  const { identity, reshard, placements } = await coordination.read();
  assert.deepEqual([identity.trainers, reshard?.state], [1, "begun"]);
  assert.deepEqual(placements.get("trainer/0" satisfies PlacedKey), {
    state: "unassigned",
    epoch: 1,
  });
  const [{ message, fields }] = telemetry.lines.filter(({ level }) => level === "warn");
  assert.match(message, /begins without a snapshot, as the operator asks/);
  assert.deepEqual(fields, { reason: "trainer 2 has no memory" });

  await coordination.askReshard({ parts: "trainers", to: 2, override: "trainer 0 has none" });
  await follow();
  assert.equal((await coordination.read()).identity.trainers, 2, "though the one before waits");
  assert.equal(snapshots, 1, "no further one is begun");
});

Deno.test("a change that takes the place of a cancelled one is the one that begins and is logged", async () => {
  const { coordination, telemetry, follow } = await world(() => new Promise(() => {}));
  await coordination.askReshard({ parts: "trainers", to: 1 });
  await follow();
  await coordination.cancelReshard();
  await coordination.askReshard({ parts: "trainers", to: 2, override: "trainer 2 has no memory" });
  await follow();
  assert.equal((await coordination.read()).identity.trainers, 2);
  const messages = telemetry.lines.map(({ message }) => message);
  assert.ok(messages.includes("the mesh goes from 3 to 2 trainers"), messages.join("\n"));
});

Deno.test("a change that is cancelled while its snapshot is taken does not begin, and nothing is said", async () => {
  const snapshot = Promise.withResolvers<void>();
  const { coordination, telemetry, follow } = await world(() => snapshot.promise);
  await coordination.askReshard({ parts: "trainers", to: 1 });
  await follow();
  await coordination.cancelReshard();
  snapshot.resolve();
  await follow();
  assert.equal((await coordination.read()).identity.trainers, 3);
  assert.deepEqual(telemetry.lines, []);
});

Deno.test("a change waits for its snapshot though it took the place of one that was to do without", async () => {
  const { coordination, follow } = await world(() => new Promise(() => {}));
  await coordination.askReshard({ parts: "trainers", to: 1, override: "trainer 2 has no memory" });
  const view = await coordination.read();
  await coordination.cancelReshard();
  await coordination.askReshard({ parts: "trainers", to: 2 });
  await follow(view);
  await follow();
  assert.equal((await coordination.read()).identity.trainers, 3);
});
