import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { PlacementWatch } from "../../../cli/demo_mesh/placement_watch.ts";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import { UnknownHostError } from "../../../mesh/ports/coordination_errors.ts";
import { RecordStoreUnavailableError } from "../../../mesh/ports/record_store.ts";
import { Coordinator } from "../../../mesh/runtime/coordination/coordinator.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import {
  a,
  activate,
  b,
  change,
  control,
  host,
  run,
} from "../../contracts/coordination/coordination_under_test.ts";
import { meshSettings } from "../../mesh/placement/model.ts";

const LEASE_MS = 10_000;

/** A mesh with one host, `a`. */
async function storeWithHost(clock = new VirtualClock()): Promise<Coordinator> {
  const store = new Coordinator({
    store: new MemoryRecordStore(clock),
    random: new SeededRandom(1),
    hostTtlMs: LEASE_MS,
    controlTtlMs: LEASE_MS,
  });
  await store.open(meshSettings({ shards: 1 }));
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
  await clock.advance(LEASE_MS + 1_000);
  await comesToBe(false);
  await watch.close();
});

Deno.test("a live move counts, with the time from the report of its freeze to its new owner", async () => {
  const clock = new VirtualClock();
  const store = await storeWithHost(clock);
  await store.join(b);
  const epoch = await control(store, a);
  const watch = new PlacementWatch(store);
  await activate(store, epoch, "shard/0", a);
  const report = async (by: typeof a, next: Parameters<typeof change>[3]) => {
    const expected = (await store.read()).placements.get("shard/0")!;
    await store.place({ by: run(by), changes: [{ key: "shard/0", expected, next }] });
  };
  const move = { state: "moving", owner: run(a), target: run(b) } as const;
  for (const outcome of ["aborted", "done"] as const) {
    await change(store, epoch, "shard/0", { ...move, phase: "filling" });
    await clock.advance(300);
    await report(a, { ...move, phase: "frozen" });
    await clock.advance(7);
    const owner = outcome === "done" ? b : a;
    await report(owner, { state: "active", owner: run(owner) });
    await clock.advance(1_000);
  }
  while (watch.moves === 0) await pause(1);
  assert.deepEqual([watch.moves, watch.freezeMsMax], [1, 7]);
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
