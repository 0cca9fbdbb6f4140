import { MemoryRecordStore } from "../../../../mesh/adapters/memory/memory_record_store.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";
import { coordinationContract } from "../../../contracts/coordination/coordination_contract.ts";

coordinationContract("memory record store", () => {
  const clock = new VirtualClock();
  const store = new MemoryRecordStore(clock);
  const connection = {
    transact: store.transact.bind(store),
    // The short wait of the contract ends by the clock, the long ones by a change.
    watch(since: number, timeoutMs: number) {
      const waiting = store.watch(since, timeoutMs);
      if (timeoutMs === 1) clock.advance(1);
      return waiting;
    },
    close: () => store.close(),
  };
  return Promise.resolve({
    connect: () => Promise.resolve(connection),
    dispose: () => Promise.resolve(),
  });
});
