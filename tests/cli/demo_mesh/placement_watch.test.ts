import assert from "node:assert/strict";
import { PlacementWatch } from "../../../cli/demo_mesh/placement_watch.ts";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { UnknownHostError } from "../../../mesh/ports/coordination_errors.ts";
import { RecordStoreUnavailableError } from "../../../mesh/ports/record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { host } from "../../contracts/coordination/coordination_under_test.ts";

Deno.test("a host is drained although the server was slow when it was asked to", async () => {
  const leaseMs = 10_000;
  const store = new Coordinator({
    store: new MemoryRecordStore(new VirtualClock()),
    random: new SeededRandom(1),
    hostTtlMs: leaseMs,
    controlTtlMs: leaseMs,
  });
  const counts = { eventPartitions: 0, examplePartitions: 0, trainers: 0 };
  await store.open({ shards: 1, ...counts, schema: "s", secrets: [], protocols: [1, 1] });
  await store.join(host("a"));
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
