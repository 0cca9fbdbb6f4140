/**
 * Goal: a host that joins copies a shard as soon as it is linked with the owner, without a failure
 * before, the owner tells of its freeze, and the copy waits until the store knows of it. Method: an
 * owner and a copy on two nodes under virtual time, which are linked late.
 */
import assert from "node:assert/strict";
import { defineShardCopy } from "../../../actors/embedding_shard/copy_definition.ts";
import type { ShardCopyMessage } from "../../../actors/embedding_shard/copy_protocol.ts";
import { defineEmbeddingShard } from "../../../actors/embedding_shard/definition.ts";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { MovedShards } from "../../../actors/embedding_shard/moved_shards.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { Mesh } from "../../../mesh/runtime/mesh.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { options } from "../../server/moving_shard.ts";

const SHARD = "embedding_shard/0";
const COPY = "shard_copy/0";

/** The owner on the node `old` and a copy on the node `new`, which are not linked. */
async function unlinkedCopy() {
  const simulated = new SimulatedMesh({ seed: 3, linkLatencyMs: 1 });
  const [old, joined] = [simulated.node("old"), simulated.node("new")];
  const meshOf = async (home: typeof old) => {
    const moved = new MovedShards();
    const blobs = new MemoryBlobStore();
    const definitions = [defineEmbeddingShard({ blobs, moved }), defineShardCopy(moved)];
    const part = { nodes: [home.name], retryMs: 100 };
    const mesh = new Mesh({ home, composition: { definitions }, part });
    await simulated.settle(mesh.start([]));
    return mesh;
  };
  const owner = await meshOf(old);
  const mesh = await meshOf(joined);
  await simulated.settle(
    owner.spawn({ kind: "embedding_shard", key: "0", node: "old", options }),
  );
  await simulated.settle(mesh.place([[SHARD, "old"]]));
  const copy = { shard: 0, owner: SHARD, copy: "c", rowsMax: 100, followIntervalMs: 10 };
  const copyOptions = { ...copy, budgetMs: 1_000, tables: options.tables };
  await simulated.settle(
    mesh.spawn({ kind: "shard_copy", key: "0", node: "new", options: copyOptions }),
  );
  const ref = mesh.actorRef<ShardCopyMessage>(COPY);
  return {
    simulated,
    link: () => simulated.link(old, joined),
    owner: old.actorRef<EmbeddingShardMessage>(SHARD),
    verify: () => ref.ask({ kind: "verifyCopy" }, { budgetMs: 1_000 }),
    progress: () => simulated.settle(ref.ask({ kind: "getCopyProgress" }, { budgetMs: 1_000 })),
  };
}

Deno.test("a copy waits for the link with the owner, and then begins", async () => {
  const { simulated, link, progress } = await unlinkedCopy();
  await simulated.advance(5_000);
  assert.equal((await progress()).state, "filling");
  link();
  await simulated.advance(1_000);
  assert.equal((await progress()).state, "following");
});

Deno.test("a copy whose owner cannot be reached for 15 s fails, and says why", async () => {
  const { simulated, progress } = await unlinkedCopy();
  await simulated.advance(14_000);
  assert.equal((await progress()).state, "filling");
  await simulated.advance(2_000);
  const { state, reason } = await progress();
  assert.equal(state, "failed");
  assert.match(reason ?? "", /embedding_shard\/0 failed: new has no link to old/);
});

Deno.test("an owner tells of its freeze: to the last ask before, and to asks that come later", async () => {
  const { simulated, link, owner, verify } = await unlinkedCopy();
  link();
  await simulated.advance(1_000);
  const answers: string[] = [];
  const wait = (name: string) =>
    owner.ask({ kind: "awaitFreeze" }, { budgetMs: 5_000 }).then((giving) =>
      void answers.push(`${name} ${giving?.isFrozen}`)
    );
  const asks = [wait("first"), wait("second")];
  await simulated.advance(500);
  assert.deepEqual(answers, ["first false"]);
  const verified = verify();
  await simulated.advance(100);
  await simulated.settle(Promise.all([...asks, wait("third")]));
  assert.deepEqual(answers, ["first false", "second true", "third true"]);
  owner.tell({ kind: "freezeReported", copy: "c" });
  await simulated.settle(verified);
});

Deno.test("a verification ends when the owner has heard that the store knows of its freeze", async () => {
  const { simulated, link, owner, verify, progress } = await unlinkedCopy();
  link();
  await simulated.advance(1_000);
  const verified = verify();
  await simulated.advance(500);
  const giving = await simulated.settle(owner.ask({ kind: "getGiving" }, { budgetMs: 1_000 }));
  assert.equal(giving?.isFrozen, true);
  owner.tell({ kind: "freezeReported", copy: "another" });
  await simulated.advance(100);
  const pending = Symbol();
  assert.equal(await Promise.race([verified, Promise.resolve(pending)]), pending);
  owner.tell({ kind: "freezeReported", copy: "c" });
  assert.equal((await simulated.settle(verified)).rows, 0);
  assert.equal((await progress()).state, "verified");
});

Deno.test("a verification that waits for the store ends at once when its move is given up", async () => {
  const { simulated, link, owner, verify } = await unlinkedCopy();
  link();
  await simulated.advance(1_000);
  let ended = false;
  const verified = verify().then(() => ended = true);
  await simulated.advance(500);
  assert.ok(!ended);
  await simulated.settle(owner.ask({ kind: "abandonCopy", copy: "c" }, { budgetMs: 1_000 }));
  await simulated.advance(5);
  assert.ok(ended);
  await verified;
});

Deno.test("an owner that no copy reads answers no ask for its freeze", async () => {
  const { simulated, owner } = await unlinkedCopy();
  const outcome = owner.ask({ kind: "awaitFreeze" }, { budgetMs: 1_000 })
    .then(() => "frozen", ({ name }) => name);
  assert.equal(await simulated.settle(outcome, 2_000), "AskTimeoutError");
});
