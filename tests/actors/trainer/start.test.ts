/**
 * Starts of a trainer that fail, or that find less than an earlier one has left.
 */
import assert from "node:assert/strict";
import type {
  EmbeddingShardMessage,
  LearnedChunk,
} from "../../../actors/embedding_shard/protocol.ts";
import { defineTrainer, type TrainerOptions } from "../../../actors/trainer/definition.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import { createTrainingSession } from "../../../kernels/dense/training_session.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import type { EventLog } from "../../../mesh/ports/event_log.ts";
import type { ActorDefinition, ReplyOf } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { putMark } from "../../../records/mesh_mark.ts";
import { FORMAT, manifestName, writeManifest } from "../../../records/snapshot_manifest.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";
import type { LoopStorage } from "../loop_options.ts";

const DIM = 4;
const LAYOUT = {
  classes: [{
    slots: [],
    slices: [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: DIM }],
  }],
  classByColumn: [0],
};
const TRAINER: TrainerOptions = {
  trainer: 0,
  name: "trainer/0",
  dealing: 0,
  partitions: [0],
  parameterSync: "parameter_sync/0",
  joiners: ["joiner/0"],
  batchRows: 8,
  pipelined: false,
  chunksPerRead: 8,
  rowsWaitingMax: 64,
  shards: ["embedding_shard/0"],
  shardBudgetMs: 50,
  shardAttemptsMax: 2,
  userSlots: { ids: [], crosses: [] },
  slots: 1,
  denseWidth: 0,
  schemaFingerprint: 5,
  tasks: 1,
  taskNames: ["clicked"],
  combiners: ["sum"],
  layout: LAYOUT,
  validationBins: 16,
};

/** A trainer's definition that counts its open subscriptions and sessions. */
function countingTrainer(blobs = new MemoryBlobStore()) {
  const open = { subscriptions: 0, sessions: 0, starts: 0 };
  const exampleLog = altered<EventLog>(new MemoryEventLog({ name: "examples", partitions: 1 }), {
    onAppended: () => {
      open.subscriptions++;
      return () => void open.subscriptions--;
    },
  });
  const model = createModel(
    { kind: "deepFm", embeddingDim: DIM, hidden: [8] },
    { slots: 1, denseWidth: 0, tasks: 1 },
  );
  const definition = defineTrainer({
    exampleLog,
    blobs,
    createSession: async () => {
      const session = await createTrainingSession(model, {
        optimizer: { kind: "sgd", learningRate: 0.05 },
        provider: "reference",
        threads: 1,
        seed: 5,
      });
      open.starts++;
      open.sessions++;
      return altered(session, {
        close: () => {
          open.sessions--;
          return session.close();
        },
      });
    },
  });
  return { definition, open };
}

/**
 * A shard that has its rows and is only opened.
 *
 * @param learned The chunk of which it has learned, until it goes back to its snapshot.
 */
function shardWith(learned?: LearnedChunk): ActorDefinition<EmbeddingShardMessage, undefined> {
  let chunk = learned;
  return {
    kind: "embedding_shard",
    mailbox: { capacity: 16, overflow: "reject" },
    restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "write",
    create(context) {
      let epoch = 0;
      return {
        receive(message) {
          if (message.kind === "getStatistics") {
            return context.reply(message, { loadedShare: 1 } as ReplyOf<typeof message>);
          }
          if (message.kind === "goBack") {
            chunk = undefined;
            return context.reply(message, undefined);
          }
          if (message.kind !== "openSource") return;
          context.reply(message, { sequence: 0, chunk, incarnation: "first", epoch: ++epoch });
        },
      };
    },
  };
}

const openedShard = shardWith();

Deno.test("a trainer whose start fails leaves no subscription and no session behind", async () => {
  const { definition, open } = countingTrainer();
  const mesh = new SimulatedMesh({ seed: 1 });
  const spawned = mesh.node().spawn(definition, 0, TRAINER); // its shard is not in the mesh
  await assert.rejects(mesh.settle(spawned), /cannot start: ActorFailedError: embedding_shard\/0/);
  assert.deepEqual(open, { subscriptions: 0, sessions: 0, starts: 1 });
  await mesh.stop();
});

Deno.test("a trainer starts however long a message to its shards takes", async () => {
  for (const linkLatencyMs of [1, 472, 20_000]) {
    const { definition, open } = countingTrainer();
    const mesh = new SimulatedMesh({ seed: 1, linkLatencyMs });
    const [main, other] = [mesh.node(), mesh.node("other")];
    mesh.link(main, other);
    main.setPlacement([["embedding_shard/0", "other"]]);
    await mesh.settle(other.spawn(openedShard, 0, undefined));
    await mesh.settle(main.spawn(definition, 0, TRAINER), 600_000);
    assert.equal(open.subscriptions, 1);
    const waits = mesh.telemetry.lines.filter(({ message }) => message.includes("still waiting"));
    const seconds = mesh.clock.monotonicMs() / 1_000;
    assert.ok(waits.length <= seconds / 10, "a line in ten seconds at most");
    if (seconds > 30) assert.match(waits[0].message, /the answer of embedding_shard\/0/);
    await mesh.stop();
    assert.equal(open.sessions, 0);
  }
});

Deno.test("a trainer whose snapshots go away while it waits for its shard does not begin without them", async () => {
  const blobs = new MemoryBlobStore();
  const mark = { mesh: "m", mark: "k" };
  await putMark(blobs, mark, "host");
  const name = "snapshots/000000000000005";
  await writeManifest(blobs, { format: FORMAT, name, atMs: 5, shards: [], trainers: [] });
  const { definition, open } = countingTrainer(blobs);
  const mesh = new SimulatedMesh({ seed: 1, linkLatencyMs: 20_000 });
  const [main, other] = [mesh.node(), mesh.node("other")];
  mesh.link(main, other);
  main.setPlacement([["embedding_shard/0", "other"]]);
  await mesh.settle(other.spawn(openedShard, 0, undefined));
  const ownBlobs = { place: "storage.path (/data)", mark, oldestSnapshot: name };
  const spawned = main.spawn(definition, 0, { ...TRAINER, ownBlobs });
  const failed = assert.rejects(
    spawned,
    /storage\.path \(\/data\) lacks .*5 and all later .* none/,
  );
  await mesh.advance(30_000);
  await blobs.delete(manifestName(name));
  await mesh.settle(failed, 600_000);
  assert.deepEqual(open, { subscriptions: 0, sessions: 0, starts: 1 });
  await mesh.stop();
});

Deno.test("a trainer tells after its restart that the log has lost what a shard had learned", async () => {
  const { definition } = countingTrainer();
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  await mesh.settle(node.spawn(shardWith({ offset: 97, checksum: 1 }), 0, undefined));
  const start = () => mesh.settle(node.spawn(definition, 0, TRAINER));
  await assert.rejects(start(), /chunk at offset 97 of the example log .* has lost/);
  const trainer = await start();
  const { logLosses } = await mesh.settle(trainer.ask({ kind: "getStatus" }, { budgetMs: 1_000 }));
  assert.equal(logLosses, 1);
  assert.equal(mesh.telemetry.value("cairn_trainer_log_lost_total", { trainer: "0" }), 1);
  await mesh.stop();
});

Deno.test("a trainer that waits for its shard at its start ends when it is stopped", async () => {
  const { definition, open } = countingTrainer();
  const mesh = new SimulatedMesh({ seed: 1, linkLatencyMs: 3_600_000 });
  const node = mesh.node();
  mesh.link(node, mesh.node("other"));
  node.setPlacement([["embedding_shard/0", "other"]]);
  const spawned = node.spawn(definition, 0, TRAINER);
  const failed = assert.rejects(spawned, /trainer\/0.*has been restarted or stopped/);
  await mesh.advance(30_000);
  await mesh.settle(node.stopActor("trainer/0", 0));
  await mesh.settle(failed);
  assert.deepEqual(open, { subscriptions: 0, sessions: 0, starts: 1 });
  await mesh.stop();
});

Deno.test("a trainer that finds no snapshot and a trimmed log says which rows are not learned again", async () => {
  const loop = await Loop.start();
  for (let i = 0; i < 20; i++) {
    const { rankingId } = await loop.rank("user", ["item"]);
    await loop.act(rankingId, "item", "click");
    await loop.mesh.advance(1_000);
  }
  const { offset } = await loop.trainerStatus();
  await loop.exampleLog.trim(0, offset - 2);
  const again = await loop.kill(2);
  await again.mesh.advance(1_000);
  const warnings = again.mesh.telemetry.lines.filter(({ level }) => level === "warn");
  assert.match(
    warnings.map(({ message }) => message).join(),
    /trainer\/0 begins without a snapshot.*examples\/0 begins at offset/,
  );
  await loop.stop();
  await again.stop();
});

/** A trainer that has learned 8 examples, each a chunk, and whose snapshot names them. */
async function learnedAndSaved(): Promise<Loop> {
  const loop = await Loop.start();
  await learn(loop, 8);
  await loop.snapshot();
  return loop;
}

async function learn(loop: Loop, examples: number): Promise<void> {
  for (let i = 0; i < examples; i++) {
    const { rankingId } = await loop.rank("user", ["item"]);
    await loop.act(rankingId, "item", "click");
    await loop.mesh.advance(1_000);
  }
}

/** The logs as before the newest `lost` examples, each of two events, and no snapshot. */
async function withoutNewest(loop: Loop, lost: number): Promise<LoopStorage> {
  const shorter = async (log: MemoryEventLog, name: string, by: number) => {
    const end = await log.endOffset(0) - by;
    const records = (await log.read(0, 0, Infinity)).filter(({ offset }) => offset < end);
    const trimmed = records.at(0)?.offset ?? end;
    const copy = new MemoryEventLog({ name, partitions: 1 });
    await copy.append(0, [
      ...Array.from({ length: trimmed }, () => new Uint8Array()),
      ...records.map(({ bytes }) => bytes),
    ]);
    await copy.trim(0, trimmed);
    return copy;
  };
  return {
    eventLog: await shorter(loop.eventLog, "events", 2 * lost),
    exampleLog: await shorter(loop.exampleLog, "examples", lost),
    blobs: new MemoryBlobStore(),
  };
}

Deno.test("a snapshot of lost examples is refused after others have taken their offsets", async () => {
  const loop = await learnedAndSaved();
  const { offset } = await loop.trainerStatus();
  const storage = await withoutNewest(loop, 3);
  await loop.stop();
  const startMs = loop.mesh.clock.nowMs();
  await assert.rejects(
    Loop.start({ seed: 2, startMs, storage: { ...storage, blobs: loop.blobs } }),
    /Cannot resume training: .* the log ends at offset/,
  );
  // A joiner that does not know of the loss, on a host without the snapshots.
  const joining = await Loop.start({ seed: 3, startMs, storage });
  await learn(joining, 8);
  assert.ok((await joining.trainerStatus()).offset > offset, "the offsets are taken");
  await joining.stop();
  await assert.rejects(
    Loop.start({
      seed: 4,
      startMs: joining.mesh.clock.nowMs(),
      storage: { ...storage, blobs: loop.blobs },
    }),
    /Cannot resume training: .* the log has other examples there/,
  );
});

Deno.test("a snapshot whose examples the log has is begun from, however much came later", async () => {
  const loop = await learnedAndSaved();
  await learn(loop, 3);
  const { offset } = await loop.trainerStatus();
  const again = await loop.kill(2);
  await again.mesh.advance(1_000);
  assert.equal((await again.trainerStatus()).offset, offset);
  await loop.stop();
  await again.stop();
});
