/**
 * Writes of an incarnation that has ended: none is begun, and the next incarnation waits for those
 * under way.
 */
import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import type { ActorDefinition } from "../../../mesh/runtime/actor.ts";
import { ActorFailedError } from "../../../mesh/runtime/errors.ts";
import { fencedBlobStore, fencedEventLog } from "../../../mesh/runtime/fenced_stores.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

type WriterMessage =
  /** Appends a record and forgets about it, after a delay. */
  | { readonly kind: "append"; readonly afterMs: number }
  | { readonly kind: "crash" };

/** A log whose appends take 500 ms, and the ends that incarnations of its writer have found. */
function start() {
  const mesh = new SimulatedMesh({ seed: 1 });
  const memory = new MemoryEventLog({ partitions: 1 });
  const slow = Object.assign(Object.create(memory) as MemoryEventLog, {
    append: async (partition: number, records: readonly Uint8Array[]) => {
      await mesh.clock.delay(500);
      return await memory.append(partition, records);
    },
    endOffset: (partition: number) => memory.endOffset(partition),
    partitions: 1,
  });
  const found: number[] = [];
  const failures: unknown[] = [];
  const definition: ActorDefinition<WriterMessage, undefined> = {
    kind: "writer",
    mailbox: { capacity: 8, overflow: "reject" },
    restart: { restartsMax: 5, periodMs: 10_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "write",
    async create(context) {
      const log = fencedEventLog(slow, context);
      found.push(await log.endOffset(0));
      return {
        receive(message) {
          if (message.kind === "crash") throw new Error("told to crash");
          context.clock.schedule(message.afterMs, () => {
            log.append(0, [new Uint8Array(1)]).catch((error) => failures.push(error));
          });
        },
      };
    },
  };
  return { mesh, memory, found, failures, definition };
}

Deno.test("the next incarnation is made after the writes of the crashed one have settled", async () => {
  const { mesh, found, failures, definition } = start();
  const writer = await mesh.settle(mesh.node().spawn(definition, 0, undefined));
  writer.tell({ kind: "append", afterMs: 0 });
  await mesh.advance(1);
  writer.tell({ kind: "crash" });
  await mesh.advance(100);
  assert.deepEqual(found, [0], "the append is under way");
  await mesh.advance(1_000);
  assert.deepEqual(found, [0, 1], "the record of the crashed incarnation is seen");
  assert.deepEqual(failures, []);
  await mesh.stop();
});

Deno.test("a write that a crashed or stopped incarnation begins later fails and changes nothing", async () => {
  const { mesh, memory, found, failures, definition } = start();
  const writer = await mesh.settle(mesh.node().spawn(definition, 0, undefined));
  writer.tell({ kind: "append", afterMs: 200 });
  writer.tell({ kind: "crash" });
  await mesh.advance(100);
  assert.deepEqual(found, [0, 0]);
  writer.tell({ kind: "append", afterMs: 200 });
  await mesh.advance(10);
  await mesh.settle(mesh.node().stopActor("writer/0", 10));
  await mesh.advance(1_000);
  assert.deepEqual(failures.map((error) => error instanceof ActorFailedError), [true, true]);
  assert.equal(await memory.endOffset(0), 0);
});

Deno.test("a fenced blob store reads at any time, and writes while its incarnation lasts", async () => {
  const store = new MemoryBlobStore();
  let ended = false;
  const fenced = fencedBlobStore(store, {
    fence: (write) => ended ? Promise.reject(new ActorFailedError("writer/0", "ended")) : write(),
  });
  await fenced.put("a", Uint8Array.of(1));
  ended = true;
  assert.deepEqual(await fenced.list(""), ["a"]);
  assert.deepEqual(await fenced.get("a"), Uint8Array.of(1));
  await assert.rejects(fenced.put("b", Uint8Array.of(2)), ActorFailedError);
  await assert.rejects(fenced.delete("a"), ActorFailedError);
  assert.deepEqual(await store.list(""), ["a"]);
});
