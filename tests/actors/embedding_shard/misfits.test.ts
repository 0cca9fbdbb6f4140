/**
 * Requests whose arrays do not fit each other, as a host with a defect may send them: a shard that
 * crashed would lose what it has learned since its snapshot.
 */
import assert from "node:assert/strict";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { oneClassShard } from "./one_class_shard.ts";

const BUDGET = { budgetMs: 1_000 };

Deno.test("a shard refuses arrays that do not fit each other, and keeps what it has learned", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const shard = await mesh.settle(
    mesh.node().spawn(
      defineEmbeddingShard({ blobs: new MemoryBlobStore(), moved: new MovedShards() }),
      0,
      oneClassShard({ dim: 2, learningRate: 1, snapshotChunkRows: 100 }),
    ),
  );
  const source = "trainer/0";
  const opening = await mesh.settle(shard.ask({ kind: "openSource", source }, BUDGET));
  const stream = { source, sequence: 8, opening };
  const ids = BigUint64Array.of(1n, 2n);
  const fitting = {
    ids,
    starts: Uint32Array.of(0, 2),
    gradients: Float32Array.of(-1, -2, -3, -4),
    counts: Uint32Array.of(1, 1),
  };
  const look = ({ starts }: Pick<typeof fitting, "starts">) =>
    mesh.settle(shard.ask({ kind: "lookup", missing: "zeros", ids, starts }, BUDGET));
  const apply = (arrays: typeof fitting) =>
    mesh.settle(shard.ask({ kind: "applyGradients", ...stream, ...arrays, atMs: 0 }, BUDGET));
  const remove = ({ starts }: Pick<typeof fitting, "starts">) => {
    const message = { kind: "removeRows", ...stream, sequence: 16, isLast: true } as const;
    return mesh.settle(shard.ask({ ...message, ids, starts }, BUDGET));
  };
  const refused = { name: "RangeError" };
  for (
    const starts of [[0, 3], [0, 1], [1, 2], [0, 1, 2], []].map((each) => Uint32Array.from(each))
  ) {
    await assert.rejects(look({ starts }), refused);
    await assert.rejects(apply({ ...fitting, starts }), refused);
    await assert.rejects(remove({ starts }), refused);
  }
  await assert.rejects(apply({ ...fitting, gradients: Float32Array.of(1, 2, 3) }), refused);
  await assert.rejects(apply({ ...fitting, counts: Uint32Array.of(1) }), refused);

  const cursor = { class: 99, row: 0, moves: 0 };
  const asked = (request: EmbeddingShardMessage) =>
    mesh.settle(shard.ask(request as never, BUDGET));
  await asked({ kind: "beginCopy", copy: "c" });
  for (
    const request of [
      { kind: "exportRows", rowsMax: 1, cursor },
      { kind: "listIds", slots: [], rowsMax: 1, cursor },
      { kind: "copyRows", copy: "c", rowsMax: 1, cursor },
      { kind: "getCopyChanges", copy: "c", applied: [], rowsMax: 1 },
      { kind: "finishCopy", copy: "c", applied: [0, 0], rowsMax: 1 },
      { kind: "exportRows", rowsMax: 0 },
      { kind: "exportRows", rowsMax: NaN },
      { kind: "listIds", slots: [], rowsMax: -1 },
      { kind: "takeDeltas", taker: "t", position: undefined, rowsMax: 0 },
      { kind: "copyRows", copy: "c", rowsMax: 0 },
      { kind: "getCopyChanges", copy: "c", applied: [0], rowsMax: 0.5 },
      { kind: "finishCopy", copy: "c", applied: [0], rowsMax: 0 },
    ] as const
  ) await assert.rejects(asked(request), refused, request.kind);
  await asked({ kind: "abandonCopy" });

  assert.deepEqual(await apply({ ...fitting, gradients: fitting.gradients.slice() }), {
    applied: true,
  }, "the refused ones have not raised the mark");
  assert.deepEqual([...(await look(fitting)).rows], [1, 2, 3, 4]);
  const { incarnation } = await mesh.settle(shard.ask({ kind: "getIncarnation" }, BUDGET));
  assert.equal(incarnation, opening.incarnation);
  await mesh.stop();
});
