import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../../../mesh/adapters/memory/memory_profile_store.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";
import { blobStoreContract } from "../../../contracts/blob_store_contract.ts";
import { eventLogContract } from "../../../contracts/event_log_contract.ts";
import { profileStoreContract } from "../../../contracts/profile_store_contract.ts";

eventLogContract("memory event log", (options) => {
  const log = new MemoryEventLog(options);
  return Promise.resolve({ log, dispose: () => log.close() });
});

profileStoreContract("memory profile store", () => {
  const store = new MemoryProfileStore(new VirtualClock());
  const settle = <T>(promise: Promise<T>) => promise;
  return Promise.resolve({ store, settle, dispose: () => store.close() });
});

blobStoreContract("memory blob store", () => {
  return Promise.resolve({ store: new MemoryBlobStore(), dispose: () => Promise.resolve() });
});

Deno.test("profiles in memory are bounded: a store at its limit takes what does not grow it", async () => {
  const store = new MemoryProfileStore(new VirtualClock(), 40);
  await store.put("item", "1", { text: "x".repeat(20) });
  await assert.rejects(store.put("user", "ann", { text: "y".repeat(20) }), {
    name: "ProfileStoreUnavailableError",
    message: /limit of 40 bytes.*storage\.profilesBytesMax/s,
  });
  assert.equal(store.count("user"), 0);
  await store.put("item", "1", { text: "x" });
  await store.put("user", "ann", { text: "y" });
  await store.delete("item", "1");
  await store.put("user", "bob", { text: "z" });
  assert.equal(store.count("user"), 2);
});
