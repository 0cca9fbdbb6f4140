import assert from "node:assert/strict";
import { MemoryRecordStore } from "../../../mesh/adapters/memory/memory_record_store.ts";
import type { HostRun, Placement } from "../../../mesh/ports/coordination.ts";
import { recordKeys } from "../../../mesh/runtime/coordination/record_keys.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { ControllerDeaths } from "../../../simulation/mesh/controller_deaths.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";

const runOf = (host: string): HostRun => ({ host, incarnation: `${host}-1` });
const filling: Placement = {
  state: "moving",
  owner: runOf("table-1"),
  target: runOf("table-2"),
  phase: "filling",
  epoch: 1,
};
const frozen: Placement = { ...filling, phase: "frozen" };

Deno.test("the death of a controller is two faults at the next freeze, with their hosts", async () => {
  const clock = new VirtualClock();
  const store = new MemoryRecordStore(clock);
  await clock.settle(
    store.transact((view) =>
      view.set(recordKeys.control, { holder: { ...runOf("edge") }, epoch: 1, expiresMs: 9_000 })
    ),
    1_000,
  );
  const begun: Fault[] = [];
  const deaths = new ControllerDeaths({
    redis: store,
    nowMs: () => clock.monotonicMs(),
    begin: (fault) => void begun.push(fault),
  });
  deaths.add({ kind: "killController", atMs: 0, power: true, downMs: 700 });
  await clock.advance(50);
  deaths.placed(filling);
  assert.deepEqual(begun, []);
  for (let freezes = 0; freezes < 2; freezes++) {
    deaths.placed(frozen);
    await clock.advance(50);
    assert.deepEqual(begun, [
      { kind: "cutRedis", atMs: 50, host: "table-2", forMs: 700 },
      { kind: "killHost", atMs: 50, host: "edge", power: true, downMs: 700 },
    ]);
  }
});
