/**
 * A shard that crashes while the first snapshot is published, and begins without it.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import type { BlobStore } from "../../../mesh/ports/blob_store.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

Deno.test("a shard that began before the first snapshot restarts from it, and training goes on", async () => {
  const storage = {
    eventLog: new MemoryEventLog({ name: "events", partitions: 1 }),
    exampleLog: new MemoryEventLog({ name: "examples", partitions: 1 }),
    blobs: new MemoryBlobStore(),
  };
  let isPublished = true;
  let crashes = false;
  const blobs = altered<BlobStore>(storage.blobs, {
    list: (prefix) => isPublished ? storage.blobs.list(prefix) : Promise.resolve([]),
  });
  const loop = await Loop.start({
    storage,
    interference: {
      shard: () => {
        const definition = defineEmbeddingShard({ blobs, moved: new MovedShards() });
        return {
          ...definition,
          create: async (context, options) => {
            const shard = await definition.create(context, options);
            isPublished = true; // after this shard has looked for it
            return altered(shard, {
              receive: (message) => {
                if (!crashes || options.shard > 0) return shard.receive(message);
                crashes = false;
                throw new Error("injected crash of a shard");
              },
            });
          },
        };
      },
    },
  });
  const visit = async (i: number) => {
    const { rankingId } = await loop.rank(`user-${i % 4}`, ["a", "b"]);
    await loop.act(rankingId, "a", "click");
    await loop.mesh.advance(100);
  };
  for (let i = 0; i < 10; i++) await visit(i);
  await loop.mesh.advance(60_000);
  await loop.snapshot();
  isPublished = false;
  crashes = true;
  for (let i = 10; i < 20; i++) await visit(i);
  await loop.mesh.advance(120_000);
  const chunks = await loop.examples();
  const logged = chunks.reduce((sum, { rows }) => sum + rows, 0);
  assert.equal(loop.mesh.telemetry.value("cairn_trainer_examples_total", { trainer: "0" }), logged);
  const lines = loop.mesh.telemetry.lines.map((line) => JSON.stringify(line)).join("\n");
  assert.match(lines, /All shards restart from the newest snapshot/);
  await loop.stop();
});
