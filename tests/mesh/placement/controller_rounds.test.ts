import assert from "node:assert/strict";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import type { HostDescription } from "../../../mesh/ports/coordination.ts";
import { HostGoneError } from "../../../mesh/ports/coordination_errors.ts";
import { ControllerRounds } from "../../../mesh/placement/controller_rounds.ts";
import { defaultControllerOptions } from "../../../mesh/placement/controller.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { descriptionOf, meshSettings } from "./model.ts";

const LEASE_MS = 10_000;

function host(name: string, incarnation = `${name}-1`): HostDescription {
  return {
    ...descriptionOf({ host: name, incarnation }),
    address: `${name}:7400`,
    roles: ["shards"],
    capacityBytes: 1e9,
  };
}

/** A mesh of one host, `a`, whose rounds are counted by the renewals of the controller's lease. */
async function newMesh() {
  const clock = new VirtualClock();
  const coordination = new Coordinator({
    store: new MemoryRecordStore(clock),
    random: new SeededRandom(1),
    hostTtlMs: 100 * LEASE_MS,
    controlTtlMs: LEASE_MS,
  });
  await coordination.open(meshSettings({ shards: 1 }));
  await coordination.join(host("a"));
  const acquire = coordination.acquireControl.bind(coordination);
  const renewals = { count: 0 };
  coordination.acquireControl = (run) => (renewals.count++, acquire(run));
  const rounds = new ControllerRounds(coordination, host("a"), {
    ...defaultControllerOptions,
    patienceMs: LEASE_MS,
  });
  return { clock, coordination, rounds, renewals };
}

Deno.test("a controller prolongs its lease when half of it has passed, and never lets it end", async () => {
  const { clock, coordination, rounds, renewals } = await newMesh();
  for (let second = 0; second < 60; second++) {
    assert.equal((await rounds.round()).kind, "controls");
    await clock.advance(1_000);
    const { control, nowMs } = await coordination.read();
    assert.ok(control !== undefined && control.expiresMs > nowMs, `it ended after ${second} s`);
    assert.equal(control.epoch, 1);
  }
  assert.ok(renewals.count >= 8 && renewals.count <= 12, `${renewals.count} renewals in 60 s`);
});

Deno.test("a round without a renewal makes the steps that the state asks for", async () => {
  const { coordination, rounds, renewals } = await newMesh();
  await rounds.round();
  const { placements } = await coordination.read();
  const restoring = placements.get("shard/0");
  assert.ok(restoring?.state === "restoring");
  const next = { state: "active", owner: restoring.owner } as const;
  await coordination.place({
    by: host("a"),
    changes: [{ key: "shard/0", expected: restoring, next }],
  });
  await coordination.join(host("b"));
  await coordination.setHostState("a", "draining");
  const round = await rounds.round();
  assert.equal(renewals.count, 1);
  assert.deepEqual(round.kind === "controls" && round.made.map(({ kind }) => kind), ["place"]);
  assert.equal((await coordination.read()).placements.get("shard/0")?.state, "moving");
});

Deno.test("a controller whose lease another host has taken stands by", async () => {
  const { clock, coordination, rounds } = await newMesh();
  await rounds.round();
  await coordination.join(host("b"));
  await clock.advance(LEASE_MS);
  await coordination.acquireControl(host("b"));
  assert.equal((await rounds.round()).kind, "standby");
  await clock.advance(LEASE_MS);
  const round = await rounds.round();
  assert.deepEqual(round.kind === "controls" && round.epoch, 3);
});

Deno.test("a controller that was removed from the mesh is told at its next round", async () => {
  const { coordination, rounds } = await newMesh();
  await rounds.round();
  await coordination.join(host("a", "a-2"));
  await assert.rejects(rounds.round(), HostGoneError);
});

Deno.test("a controller renews its lease at once after the store's clock was set back", async () => {
  const { clock, coordination, rounds } = await newMesh();
  await rounds.round();
  clock.stepWall(-3_600_000);
  await rounds.round();
  const { control, nowMs } = await coordination.read();
  assert.ok(control !== undefined);
  assert.equal(
    control.expiresMs - nowMs,
    LEASE_MS,
    "a dead controller blocks others for one lease",
  );
});

Deno.test("no host is removed when the store's clock was set forward, and all renew their leases", async () => {
  const { clock, coordination, rounds } = await newMesh();
  await coordination.join(host("b"));
  await rounds.round();
  clock.stepWall(200 * LEASE_MS);
  for (let renewed = false;; renewed = true) {
    const round = await rounds.round();
    const made = round.kind === "controls" ? round.made.map(({ kind }) => kind) : [];
    assert.ok(!made.includes("removeHost"), made.join());
    if (renewed) break;
    await clock.advance(LEASE_MS / 3);
    for (const name of ["a", "b"]) await coordination.renew(host(name));
    await clock.advance(LEASE_MS);
  }
  assert.deepEqual([...(await coordination.read()).hosts.keys()], ["a", "b"]);
});
