/** The start of a host whose file has other features than the mesh. */
import assert from "node:assert/strict";
import { MemoryRecordStore } from "../../mesh/adapters/memory/memory_record_store.ts";
import { MeshMismatchError } from "../../mesh/ports/coordination_errors.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { openMesh } from "../../server/open_mesh.ts";
import { descriptionOf, meshSettings } from "../mesh/placement/model.ts";

const LEASE_MS = 10_000;
const settings = meshSettings({
  shards: 1,
  eventPartitions: 1,
  examplePartitions: 1,
  trainers: 1,
});
const changed = { configuration: { features: "f2" } };
const run = { host: "a", incarnation: "a-1" };

/** A mesh whose host has been cut off for a minute, and the start of one with other features. */
async function world() {
  const { clock, telemetry, random } = new SimulatedMesh({ seed: 1 });
  const coordination = new Coordinator({
    ...{ store: new MemoryRecordStore(clock), random },
    ...{ hostTtlMs: LEASE_MS, controlTtlMs: LEASE_MS },
  });
  await coordination.open(settings);
  await coordination.join({ ...descriptionOf(run), roles: [] });
  await clock.advance(60_000);
  const opened = openMesh(coordination, { ...settings, ...changed }, {
    clock,
    telemetry,
  });
  opened.catch(() => {});
  return { clock, telemetry, coordination, opened };
}

Deno.test("a wrong file that starts after a long absence of the store does not win the mesh", async () => {
  const { clock, telemetry, coordination, opened } = await world();
  await clock.advance(1_000);
  assert.match(telemetry.lines[0].message, /of which a was killed or is cut off/);
  await coordination.renew(run);
  await clock.advance(LEASE_MS);
  await assert.rejects(opened, MeshMismatchError);
  assert.equal((await coordination.read()).hosts.size, 1);
});

Deno.test("another file takes the mesh over when its hosts were silent for a further lease", async () => {
  const { clock, coordination, opened } = await world();
  await clock.advance(LEASE_MS - 1);
  assert.equal((await coordination.read()).hosts.size, 1);
  await clock.advance(1);
  await opened;
  assert.equal((await coordination.read()).hosts.size, 0);
});
