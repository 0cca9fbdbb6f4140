import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { defineSnapshotter } from "../../../actors/snapshotter/definition.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import type { SnapshotPublisher } from "../../../actors/snapshotter/publisher.ts";
import type { SnapshotterMessage } from "../../../actors/snapshotter/protocol.ts";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { StaleManifestError } from "../../../mesh/ports/coordination_errors.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import type { ActorContext, ActorRef } from "../../../mesh/runtime/actor.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

const BUDGET = { budgetMs: 10_000 };
const SHARDS = 3;

/** How often each id is learned in the shards' rows; a restart takes the counts of the snapshot. */
class Ledger {
  readonly #rows = new Map<string, Map<bigint, number>>();
  readonly #cuts = new Map<string, Map<bigint, number>>();

  /** A shard starts with the rows of the newest snapshot. */
  begin(address: string, snapshot: string | undefined): void {
    this.#rows.set(address, new Map(snapshot ? this.#cuts.get(`${snapshot} ${address}`) : []));
  }

  handled(address: string, message: EmbeddingShardMessage, answer: unknown): void {
    const rows = this.#rows.get(address)!;
    if (message.kind === "beginSnapshot") {
      this.#cuts.set(`${message.snapshot} ${address}`, new Map(rows));
    } else if (message.kind === "applyGradients" && (answer as { applied: boolean }).applied) {
      message.ids.forEach((id, i) => rows.set(id, (rows.get(id) ?? 0) + message.counts[i]));
    }
  }

  total(): Map<bigint, number> {
    return new Map([...this.#rows.values()].flatMap((rows) => [...rows]).sort());
  }
}

interface World {
  loop: Loop;
  readonly ledger: Ledger;
  readonly snapshotter: ActorRef<SnapshotterMessage>;
  /** Whether the trainer's next step fails. */
  failsStep?: boolean;
}

async function start(
  {
    snapshotsRetained = 100,
    trainers = 1,
    exampleBytesMax = Infinity,
    intervalMs = 3_600_000,
    spreadMs = 0,
    snapshotChunkRows = 64,
  } = {},
  publisher?: SnapshotPublisher,
): Promise<World> {
  const ledger = new Ledger();
  // Set later: the first shards start inside Loop.start, before any snapshot.
  const world: Partial<World> = {};
  const loop = await Loop.start({
    shards: SHARDS,
    trainers,
    exampleBytesMax,
    joiner: { lingerMs: 10 },
    trainer: { batchRows: 8, shardBudgetMs: 100, shardAttemptsMax: 2 },
    interference: {
      trainingSession: (session) =>
        altered(session, {
          step: (batch) => {
            if (!world.failsStep) return session.step(batch);
            world.failsStep = false;
            return Promise.reject(new Error("injected failure of the step"));
          },
        }),
      shard: (definition) => ({
        ...definition,
        create: async (context, options) => {
          const address = context.self.address;
          const [newest] = world.loop ? await readManifests(world.loop.blobs) : [];
          ledger.begin(address, newest?.name);
          const watched: ActorContext<EmbeddingShardMessage> = altered(context, {
            reply: (message, value, transfer) => {
              ledger.handled(address, message as EmbeddingShardMessage, value);
              context.reply(message, value, transfer);
            },
          });
          return await definition.create(watched, { ...options, snapshotChunkRows });
        },
      }),
    },
  });
  world.loop = loop;
  const { blobs, exampleLog } = loop;
  const snapshotter = await loop.mesh.settle(
    loop.mesh.node().spawn(
      defineSnapshotter({ blobs, exampleLog, ...(publisher && { publisher }) }),
      0,
      {
        trainers: loop.trainers,
        dealing: 0,
        shards: Array.from({ length: SHARDS }, (_, shard) => `embedding_shard/${shard}` as const),
        intervalMs,
        spreadMs,
        snapshotsRetained,
        incrementsMax: 3,
        incrementsShare: 1,
        budgetMs: Math.max(5_000, 2 * spreadMs),
      },
    ),
  );
  return Object.assign(world, { loop, ledger, snapshotter });
}

async function visit(loop: Loop, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const items = [0, 1, 2].map((k) => `item-${(i * 7 + k * 3) % 20}`);
    const { rankingId } = await loop.rank(`user-${i % 5}`, items);
    for (const item of items) await loop.act(rankingId, item, "click");
  }
  await loop.mesh.advance(500);
}

async function occurrences(loop: Loop): Promise<Map<bigint, number>> {
  const counted = new Map<bigint, number>();
  for (const partition of loop.trainers.keys()) {
    for (const { ids } of await loop.examples(partition)) {
      for (const id of new BigUint64Array(ids.slice().buffer)) {
        counted.set(id, (counted.get(id) ?? 0) + 1);
      }
    }
  }
  return new Map([...counted].sort());
}

function snapshot({ loop, snapshotter }: World) {
  return loop.mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, BUDGET));
}

/** Sends a malformed message, so that the shard's handler throws. */
function crashShard({ loop }: World, shard: number): void {
  const broken = { kind: "lookup" } as unknown as EmbeddingShardMessage;
  loop.mesh.node().actorRef<EmbeddingShardMessage>(`embedding_shard/${shard}`).tell(broken);
}

async function assertEachLearnedOnce({ loop, ledger }: World): Promise<void> {
  await loop.mesh.advance(5_000);
  const wanted = await occurrences(loop);
  assert.ok(wanted.size > 10);
  assert.deepEqual(ledger.total(), wanted);
}

Deno.test("a shard that crashes before any snapshot learns the whole log again, and the other shards do not", async () => {
  const world = await start();
  await visit(world.loop, 0, 20);
  crashShard(world, 1);
  await visit(world.loop, 20, 40);
  await assertEachLearnedOnce(world);
  await world.loop.stop();
});

Deno.test("a snapshot that the mesh refuses is not written, and the older one stays the newest", async () => {
  const outcome = { refused: false, isCurrent: true };
  const publisher: SnapshotPublisher = {
    begin: () =>
      Promise.resolve({
        publish: (name) =>
          outcome.refused
            ? Promise.reject(new StaleManifestError(name, "an owner was lost"))
            : Promise.resolve(),
        isCurrent: () => Promise.resolve(outcome.isCurrent),
      }),
  };
  const world = await start({ snapshotsRetained: 1 }, publisher);
  const names = async () => (await readManifests(world.loop.blobs)).map(({ name }) => name);
  await visit(world.loop, 0, 10);
  const { name: first } = await snapshot(world);
  await visit(world.loop, 10, 20);
  outcome.refused = true;
  await assert.rejects(snapshot(world), { name: "StaleManifestError" });
  assert.deepEqual(await names(), [first]);
  outcome.refused = false;
  // An owner was lost while the manifest was written, and is restored from the one before.
  outcome.isCurrent = false;
  const { name: second } = await snapshot(world);
  assert.deepEqual(await names(), [second, first]);
  outcome.isCurrent = true;
  await visit(world.loop, 20, 30);
  const { name: third } = await snapshot(world);
  assert.deepEqual(await names(), [third]);
  await world.loop.stop();
});

Deno.test("a shard that crashes after a snapshot begins from it, and learns the later examples once", async () => {
  const world = await start();
  await visit(world.loop, 0, 20);
  assert.match((await snapshot(world)).name!, /^snapshots\/\d{15}$/);
  await visit(world.loop, 20, 40);
  crashShard(world, 0);
  crashShard(world, 2);
  await visit(world.loop, 40, 60);
  await assertEachLearnedOnce(world);
  const trainer = world.loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const { examples } = await world.loop.mesh.settle(trainer.ask({ kind: "getStatus" }, BUDGET));
  assert.ok(examples < 180, `${examples} of 180 examples since the trainer's restart`);
  await world.loop.stop();
});

Deno.test("rows learned while a snapshot is written are not in it, and are learned again after it", async () => {
  const world = await start();
  await visit(world.loop, 0, 20);
  const taken = world.snapshotter.ask({ kind: "takeSnapshot" }, BUDGET);
  await visit(world.loop, 20, 40);
  assert.ok((await taken).name);
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await world.loop.stop();
});

Deno.test("no snapshot is taken while a restarted trainer is behind its shards, whose rows would come twice", async () => {
  const world = await start();
  const { loop } = world;
  await visit(loop, 0, 10);
  await snapshot(world);
  await visit(loop, 10, 40);
  world.failsStep = true;
  const { rankingId } = await loop.rank("user", ["item"]);
  await loop.act(rankingId, "item", "click");
  await loop.mesh.advance(20);
  assert.equal(world.failsStep, false);
  // The first request is handled right after the restart, at the rows of the last snapshot, and
  // the second one when the trainer has learned one batch again.
  const ask = () => world.snapshotter.ask({ kind: "takeSnapshot" }, BUDGET);
  const [first, second] = [ask(), ask()];
  second.catch(() => {}); // awaited below
  assert.deepEqual(await loop.mesh.settle(first), {});
  await assert.rejects(loop.mesh.settle(second), { name: "CutPassedError" });
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await visit(loop, 40, 50);
  assert.ok((await snapshot(world)).name, "the trainer has caught up");
  await loop.stop();
});

Deno.test("a trainer refuses an example log that is shorter than its snapshot, and names it", async () => {
  const world = await start();
  const { loop } = world;
  await visit(loop, 0, 20);
  await snapshot(world);
  const { eventLog, blobs } = loop;
  await loop.stop();
  const exampleLog = new MemoryEventLog({ name: "examples", partitions: 1 });
  await assert.rejects(
    Loop.start({ shards: SHARDS, storage: { eventLog, exampleLog, blobs } }),
    /snapshot has what was learned before offset \d+ .*\(examples\/0\).* ends at offset 0/,
  );
});

Deno.test("a snapshot is skipped where nothing was learned since the last", async () => {
  const world = await start();
  await visit(world.loop, 0, 5);
  assert.ok((await snapshot(world)).name);
  assert.deepEqual(await snapshot(world), {});
  await world.loop.stop();
});

Deno.test("blobs that failed deletes left are deleted also where nothing was learned since", async () => {
  const world = await start();
  const { blobs } = world.loop;
  await visit(world.loop, 0, 5);
  const { name } = await snapshot(world);
  const kept = await blobs.list("snapshots/");
  await blobs.put("snapshots/000000000000001/trainer/0", new Uint8Array(9));
  await blobs.put(`${name}/shard-0/chunk-00099`, new Uint8Array(9));
  assert.deepEqual(await snapshot(world), {});
  assert.deepEqual(await blobs.list("snapshots/"), kept);
  await world.loop.stop();
});

Deno.test("older and unfinished snapshots are deleted, and the log before the kept ones is trimmed", async () => {
  const world = await start({ snapshotsRetained: 2 });
  const { loop } = world;
  await loop.blobs.put("snapshots/000000000000001/shard-0/chunk-00000", new Uint8Array(9));
  const names: string[] = [];
  for (let i = 0; i < 4; i++) {
    await visit(loop, 10 * i, 10 * i + 10);
    names.push((await snapshot(world)).name!);
  }
  const manifests = await readManifests(loop.blobs);
  assert.deepEqual(manifests.map(({ name }) => name), [names[3], names[2]]);
  const blobs = await loop.blobs.list("snapshots/");
  assert.ok(blobs.every((blob) => blob.startsWith(names[2]) || blob.startsWith(names[3])));
  const [first] = await loop.exampleLog.read(0, 0, 1);
  const oldestCut = manifests[1].trainers[0].offset;
  assert.equal(first.offset, oldestCut - 1, "a restore compares the chunk before the cut");
  // The kept snapshots are enough for a restart.
  crashShard(world, 1);
  await loop.mesh.advance(5_000);
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const { offsets: [{ offset }] } = await loop.mesh.settle(
    trainer.ask({ kind: "getStatus" }, BUDGET),
  );
  assert.equal(offset, await loop.exampleLog.endOffset(0));
  await loop.stop();
});

Deno.test("a damaged part is refused by its name", async () => {
  const world = await start();
  const { loop } = world;
  await visit(loop, 0, 20);
  const { name } = await snapshot(world);
  const chunk = `${name}/shard-1/chunk-00000`;
  const bytes = (await loop.blobs.get(chunk))!;
  bytes[bytes.length >> 1] ^= 4;
  await loop.blobs.put(chunk, bytes);
  crashShard(world, 1);
  await loop.mesh.advance(60_000);
  const given = loop.mesh.telemetry.lines.filter(({ message }) =>
    message.startsWith("embedding_shard/1 crashes again and again")
  );
  assert.match(String(given[0]?.fields.reason), new RegExp(`${chunk}: checksum mismatch`));
  await loop.stop();
});

Deno.test("without snapshots the example log is trimmed as it is learned, except for its last record", async () => {
  const { loop, snapshotter } = await start({ snapshotsRetained: 0 });
  for (let i = 0; i < 20; i++) {
    const { rankingId } = await loop.rank(`u${i}`, ["a", "b"]);
    await loop.act(rankingId, "a", "click");
    await loop.mesh.advance(50);
  }
  const end = await loop.exampleLog.endOffset(0);
  const { offset } = await loop.trainerStatus();
  assert.ok(offset > 10 && offset <= end);
  await loop.mesh.settle(snapshotter.ask({ kind: "takeSnapshot" }, BUDGET));
  assert.equal((await loop.exampleLog.read(0, 0, 1))[0].offset, Math.min(offset, end - 1));
  assert.deepEqual(await readManifests(loop.blobs), []);

  let learned = loop.mesh.telemetry.value("cairn_trainer_rows_learned", { partition: "0" });
  for (const address of ["trainer/0", "joiner/0", "embedding_shard/1"] as const) {
    await loop.restart(address);
    const { rankingId } = await loop.rank("again", ["a", "b"]);
    await loop.act(rankingId, "b", "click");
    await loop.mesh.advance(1_500);
    const now = loop.mesh.telemetry.value("cairn_trainer_rows_learned", { partition: "0" });
    assert.equal(now, ++learned, `after the restart of ${address}`);
  }
  await loop.stop();
});

Deno.test("a full example log of several partitions is drained by snapshots, and no example is lost or repeated", async () => {
  const learned = async (exampleBytesMax: number) => {
    const world = await start({ snapshotsRetained: 2, trainers: 3, exampleBytesMax });
    const { loop, ledger } = world;
    for (let i = 0; i < 8; i++) {
      await visit(loop, 10 * i, 10 * i + 10);
      if (i === 5) crashShard(world, 1); // it begins from the one snapshot that is left
    }
    const waited = loop.exampleLog.refusal() !== undefined;
    await loop.mesh.advance(60_000);
    assert.equal(loop.exampleLog.refusal(), undefined);
    assert.equal((await loop.joinerStatus()).offset, await loop.eventLog.endOffset(0));
    const total = ledger.total();
    await loop.stop();
    return { waited, total };
  };
  const roomy = await learned(Infinity);
  const tight = await learned(12_000);
  assert.deepEqual([roomy.waited, tight.waited], [false, true]);
  assert.deepEqual(tight.total, roomy.total);
});

Deno.test("a cut holds all trainers, and after a crash of any of them each example is learned once", async () => {
  const world = await start({ trainers: 3 });
  const { loop } = world;
  await visit(loop, 0, 30);
  const taken = world.snapshotter.ask({ kind: "takeSnapshot" }, BUDGET);
  await visit(loop, 30, 50);
  assert.ok((await taken).name);
  assert.deepEqual(await snapshot(world).then(({ name }) => typeof name), "string");
  const [{ trainers }] = await readManifests(loop.blobs);
  assert.deepEqual(trainers.map(({ source }) => source), ["trainer/0", "trainer/1", "trainer/2"]);
  for (const { partition, sequence, offset } of trainers) {
    const chunks = await loop.examples(partition);
    assert.equal(chunks.reduce((sum, { rows }) => sum + rows, 0), sequence);
    assert.equal(chunks.length, offset);
  }
  assert.deepEqual(await snapshot(world), {}, "nothing was learned since by any of them");
  await visit(loop, 50, 70);
  crashShard(world, 0);
  await loop.restart("trainer/1");
  await visit(loop, 70, 90);
  await assertEachLearnedOnce(world);
  await loop.stop();
});

Deno.test("a trainer that is not the last to cut begins from that cut, also where shards own no row of its last batch", async () => {
  const world = await start({ trainers: 2 });
  const { loop } = world;
  for (let i = 0; i < 12; i++) {
    const { rankingId } = await loop.rank(`user-${i}`, [`item-${i}`]);
    await loop.act(rankingId, `item-${i}`, "click");
    await loop.mesh.advance(100); // batches of one row
  }
  const { offset } = await loop.trainerStatus(0);
  assert.ok((await snapshot(world)).name);
  await loop.restart("trainer/0");
  await loop.mesh.advance(1_000);
  const status = await loop.trainerStatus(0);
  assert.deepEqual([status.offset, status.examples], [offset, 0]);
  await loop.stop();
});

async function outcomes({ loop, snapshotter }: World) {
  const { taken, failed } = await loop.mesh.settle(snapshotter.ask({ kind: "getStatus" }, BUDGET));
  return { taken, failed };
}

/** Number of chunks of the newest snapshot, finished or not. */
async function chunksWritten({ loop }: World): Promise<number> {
  const chunks = (await loop.blobs.list("snapshots/")).filter((blob) => blob.includes("/chunk-"));
  const newest = chunks.at(-1)?.split("/shard-")[0];
  return chunks.filter((blob) => blob.startsWith(`${newest}/`)).length;
}

Deno.test("a scheduled snapshot is spread over time, and holds the cut of its beginning", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 1 });
  const { loop } = world;
  await visit(loop, 0, 20);
  while (await chunksWritten(world) === 0) await loop.mesh.advance(100);
  const { offset } = await loop.trainerStatus();
  const written: number[] = [];
  for (let second = 0; second < 12; second++) {
    await visit(loop, 20 + second, 21 + second); // half a second
    await loop.mesh.advance(500);
    written.push(await chunksWritten(world));
  }
  const total = written[11];
  assert.ok(total > 10, `${total} chunks`);
  const most = Math.max(...written.map((chunks, i) => chunks - (written[i - 1] ?? 0)));
  assert.ok(most <= total / 3, `${most} of ${total} chunks in one second: ${written}`);
  await loop.mesh.advance(3_000);
  const [{ trainers }] = await readManifests(loop.blobs);
  assert.equal(trainers[0].offset, offset);
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await loop.stop();
});

Deno.test("a requested snapshot cancels the scheduled one, which does not count as failed", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 2 });
  const { loop } = world;
  await visit(loop, 0, 20);
  while (await chunksWritten(world) < 3) await loop.mesh.advance(100);
  await visit(loop, 20, 22);
  const { offset } = await loop.trainerStatus();
  const askedAtMs = loop.mesh.clock.monotonicMs();
  const { name } = await snapshot(world);
  const tookMs = loop.mesh.clock.monotonicMs() - askedAtMs;
  assert.ok(tookMs < 200, `${tookMs} ms`);
  const manifests = await readManifests(loop.blobs);
  assert.deepEqual(manifests.map(({ name, trainers }) => [name, trainers[0].offset]), [
    [name, offset],
  ]);
  const blobs = await loop.blobs.list("snapshots/");
  assert.ok(blobs.every((blob) => blob.startsWith(name!)), "the cancelled snapshot is deleted");
  assert.deepEqual(await outcomes(world), { taken: 1, failed: 0 });
  for (let shard = 0; shard < SHARDS; shard++) crashShard(world, shard);
  await assertEachLearnedOnce(world);
  await loop.stop();
});

Deno.test("a scheduled snapshot cancelled before its shards write does not count as failed", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 2 });
  const { loop } = world;
  await visit(loop, 0, 20);
  await loop.mesh.advance(30_000 - loop.mesh.clock.monotonicMs());
  const { name } = await snapshot(world);
  assert.deepEqual((await readManifests(loop.blobs)).map(({ name }) => name), [name]);
  assert.deepEqual(await outcomes(world), { taken: 1, failed: 0 });
  await loop.stop();
});

Deno.test("an interval of one second is kept, with and without spreading", async () => {
  for (const spreadMs of [0, 400]) {
    const world = await start({ intervalMs: 1_000, spreadMs });
    const { loop } = world;
    for (let second = 0; second < 8; second++) {
      await visit(loop, second, second + 1); // half a second
      await loop.mesh.advance(500);
    }
    const { taken } = await outcomes(world);
    assert.ok(taken >= 6 && taken <= 8, `${taken} in 8 s, spread over ${spreadMs} ms`);
    await loop.stop();
  }
});

Deno.test("the snapshot after a failed one is not spread", async () => {
  const world = await start({ intervalMs: 30_000, spreadMs: 10_000, snapshotChunkRows: 1 });
  const { loop } = world;
  await visit(loop, 0, 20);
  while (await chunksWritten(world) < 3) await loop.mesh.advance(100);
  crashShard(world, 1);
  await loop.mesh.advance(1_000);
  assert.deepEqual(await outcomes(world), { taken: 0, failed: 1 });
  const left = await chunksWritten(world);
  await loop.mesh.advance(8_000);
  assert.equal(await chunksWritten(world), left, "the other shards stop writing it");
  await visit(loop, 20, 22);
  const next = () => loop.blobs.list("snapshots/").then((blobs) => blobs.at(-1)!.split("/")[1]);
  const failed = await next();
  while (await next() === failed) await loop.mesh.advance(100);
  await loop.mesh.advance(200);
  assert.equal((await outcomes(world)).taken, 1);
  await loop.stop();
});
