import assert from "node:assert/strict";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { KeyedHash } from "../../../simulation/keyed_hash.ts";
import { SharedBlobs } from "../../../simulation/mesh/shared_blobs.ts";
import { NodeClock } from "../../../simulation/world/node_clock.ts";

/** Two processes that share blobs; a put takes 100 ms besides its latency. */
function twoProcesses() {
  const clock = new VirtualClock({ startMs: 0 });
  const stored: string[] = [];
  const blobs = new SharedBlobs({ blobStored: (name) => stored.push(name) });
  blobs.putExtraMs = 100;
  const [first, second] = [1, 2].map((seed) => {
    const own = new NodeClock(clock, () => {});
    return { clock: own, store: blobs.for(own, new KeyedHash(seed, "blobs"), 1) };
  });
  return { clock, blobs, stored, first, second };
}

Deno.test("the bytes of a put stay when its process dies, until another process deletes them", async () => {
  const { clock, blobs, stored, first, second } = twoProcesses();
  void first.store.put("snapshots/1/shard-0/chunk-00000", Uint8Array.of(7));
  const other = second.store.put("keeper/0/index", Uint8Array.of(8));
  await clock.advance(50);
  first.clock.revoke();
  await clock.settle(other);
  await clock.advance(1_000);
  assert.deepEqual([...blobs.contents()], [
    ["keeper/0/index", Uint8Array.of(8)],
    ["an unfinished put of snapshots/1/shard-0/chunk-00000", Uint8Array.of(7)],
  ]);
  assert.deepEqual(stored, ["keeper/0/index"]);
  const [name, ...others] = await clock.settle(second.store.listUnfinished("snapshots/"));
  assert.deepEqual(others, []);
  await clock.settle(second.store.deleteUnfinished(name));
  assert.deepEqual([...blobs.contents()], [["keeper/0/index", Uint8Array.of(8)]]);
});

Deno.test("a put in progress fails when its bytes are deleted, as in a directory", async () => {
  const { clock, blobs, first, second } = twoProcesses();
  const put = first.store.put("a", Uint8Array.of(7)).catch((error) => error.message);
  await clock.settle(second.store.deleteUnfinished("a"));
  assert.match(await clock.settle(put), /cannot write a: its bytes were deleted meanwhile/);
  assert.deepEqual([...blobs.contents()], []);
});
