import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { PlacementWatch } from "../../../cli/demo_mesh/placement_watch.ts";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { UnknownHostError } from "../../../mesh/ports/coordination_errors.ts";
import { RecordStoreUnavailableError } from "../../../mesh/ports/record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { host } from "../../contracts/coordination/coordination_under_test.ts";

const LEASE_MS = 10_000;

/** A mesh with one host, `a`. */
async function storeWithHost(clock = new VirtualClock()): Promise<Coordinator> {
  const store = new Coordinator({
    store: new MemoryRecordStore(clock),
    random: new SeededRandom(1),
    hostTtlMs: LEASE_MS,
    controlTtlMs: LEASE_MS,
  });
  const counts = { eventPartitions: 0, examplePartitions: 0, trainers: 0 };
  await store.open({
    shards: 1,
    ...counts,
    configuration: {},
    secrets: [],
    protocols: [1, 1],
  });
  await store.join(host("a"));
  return store;
}

Deno.test("a host is up while it holds its lease and is not drained", async () => {
  const clock = new VirtualClock();
  const store = await storeWithHost(clock);
  const watch = new PlacementWatch(store);
  const comesToBe = async (isUp: boolean) => {
    while (watch.isUp("a") !== isUp) await pause(1);
  };
  await comesToBe(true);
  assert.equal(watch.isUp("b"), false);
  await watch.setHostState("a", "draining");
  await comesToBe(false);
  await watch.setHostState("a", "up");
  await comesToBe(true);
  await clock.advance(LEASE_MS + 1);
  await comesToBe(false);
  await watch.close();
});

Deno.test("a host is drained although the server was slow when it was asked to", async () => {
  const store = await storeWithHost();
  const setHostState = store.setHostState.bind(store);
  let failures = 2;
  store.setHostState = (...change) =>
    failures-- > 0
      ? Promise.reject(new RecordStoreUnavailableError("the store", new Error("it is slow")))
      : setHostState(...change);
  const watch = new PlacementWatch(store);
  await watch.setHostState("a", "draining");
  assert.equal((await store.read()).hosts.get("a")?.state, "draining");
  await assert.rejects(watch.setHostState("z", "draining"), UnknownHostError);
  await watch.close();
});
