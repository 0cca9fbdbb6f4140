/**
 * A failed batch with further batches in flight behind it.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import type { TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { DivergenceError } from "../../../kernels/dense/divergence.ts";
import type { TrainingSession, TrainingStep } from "../../../kernels/dense/training_session.ts";
import { FORMAT, writeManifest } from "../../../records/snapshot_manifest.ts";
import { decodePart, type TrainerPart } from "../../../records/snapshot_parts.ts";
import type { TrainerState } from "../../../records/trainer_state.ts";
import { present } from "../../../structures/invariant.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

const BATCH_ROWS = 8;
const CUT = {
  kind: "cut",
  dealing: 0,
  snapshot: "snapshots/1",
  standing: [],
  others: [],
} as const;

interface Faults {
  /** Replaces the session's step; `number` counts from 1 over all incarnations of the trainer. */
  step(number: number, take: () => Promise<TrainingStep>, loop: Loop): Promise<TrainingStep>;
  close?(): void;
  /** Whether the message reaches the shard. Default: it does. */
  reaches?(message: EmbeddingShardMessage): boolean;
  /** Called with the rows of gradients that were applied. */
  applied?(sequence: number): void;
}

/** Three full batches of one ranking, all decided at once, through a pipelined trainer. */
async function learnThreeBatches(faults: Faults): Promise<Loop> {
  let steps = 0;
  const loop: Loop = await Loop.start({
    shards: 1,
    joiner: { windowMs: 1_000 },
    trainer: { batchRows: BATCH_ROWS, pipelined: true, shardBudgetMs: 100 },
    interference: {
      shard: (definition) => ({
        ...definition,
        create: async (context, options) => {
          const observed = altered(context, {
            reply: (message, value, transfer) => {
              const received = message as EmbeddingShardMessage;
              if (received.kind === "applyGradients") faults.applied?.(received.sequence);
              context.reply(message, value, transfer);
            },
          });
          const shard = await definition.create(observed, options);
          return {
            receive: (message) => {
              if (faults.reaches?.(message) ?? true) return shard.receive(message);
            },
          };
        },
      }),
      trainingSession: (session: TrainingSession) =>
        altered(session, {
          step: (batch) => faults.step(++steps, () => session.step(batch), loop),
          close: () => {
            faults.close?.();
            return session.close();
          },
        }),
    },
  });
  const items = Array.from({ length: 3 * BATCH_ROWS }, (_, i) => `item-${i}`);
  await loop.rank("user", items);
  await loop.mesh.advance(2_000);
  // Moves the data clock, so that the first window closes.
  await loop.rank("another-user", ["item-0"]);
  await loop.mesh.advance(5_000);
  return loop;
}

Deno.test("rows are looked up when the gradients of all batches but one are sent, however small the batches", async () => {
  const messages: string[] = [];
  const loop = await learnThreeBatches({
    step: (_number, take) => take(),
    reaches: ({ kind }) => {
      if (kind === "lookup" || kind === "applyGradients") messages.push(kind);
      return true;
    },
  });
  assert.deepEqual(messages, [
    "lookup",
    "lookup",
    "applyGradients",
    "lookup",
    "applyGradients",
    "applyGradients",
  ]);
  await loop.stop();
});

Deno.test("a batch whose step fails while a cut waits for it is learned after the restart", async () => {
  const applied: number[] = [];
  const loop = await learnThreeBatches({
    step: (number, take, { mesh }) => {
      if (number === 1) {
        const trainer = mesh.node().actorRef<TrainerMessage>("trainer/0");
        trainer.ask(CUT, { budgetMs: 1_000 }).catch(() => {});
      }
      return number === 2 ? Promise.reject(new Error("injected failure of the step")) : take();
    },
    applied: (sequence) => applied.push(sequence),
  });
  assert.deepEqual(applied, [8, 8, 16, 24]);
  await loop.stop();
});

Deno.test("batches behind a refused one are learned after it, though their rows came before", async () => {
  let lookups = 0;
  const applied: number[] = [];
  const reason = { step: 1, loss: NaN, learningRate: 0.1, reason: "the loss is not finite" };
  const loop = await learnThreeBatches({
    step: (number, take) =>
      number === 1 ? Promise.reject(new DivergenceError(reason, "8 rows")) : take(),
    reaches: ({ kind }) => kind !== "lookup" || ++lookups !== 2,
    applied: (sequence) => applied.push(sequence),
  });
  assert.equal((await loop.trainerStatus()).examples, 3 * BATCH_ROWS);
  assert.deepEqual(applied, [4, 8, 16, 24], "the refused batch was learned in halves");
  await loop.stop();
});

Deno.test("a crashed trainer withdraws the gradients that are not applied and learns them again", async () => {
  const events: string[] = [];
  let gradients = 0;
  const loop = await learnThreeBatches({
    step: (number, take) =>
      number === 2 ? Promise.reject(new Error("injected failure of the step")) : take(),
    reaches: ({ kind }) => kind !== "applyGradients" || ++gradients !== 1,
    applied: (sequence) => events.push(`applied ${sequence}`),
    close: () => events.push("closed"),
  });
  assert.deepEqual(events, ["closed", "applied 8", "applied 16", "applied 24"]);
  await loop.stop();
});

Deno.test("a cut asked for while batches are in flight holds all of them, in weights, marks and offset", async () => {
  let asked: Promise<{ parts: readonly TrainerPart[] }> | undefined;
  const { snapshot } = CUT;
  const loop = await learnThreeBatches({
    step: (number, take, { mesh }) => {
      if (number === 1) {
        const trainer = mesh.node().actorRef<TrainerMessage>("trainer/0");
        asked = trainer.ask(CUT, { budgetMs: 1_000 });
        asked.catch(() => {}); // awaited below
      }
      return take();
    },
  });
  const { parts: [part] } = await present(asked, "a step was taken");
  assert.deepEqual([part.sequence, part.offset], [
    3 * BATCH_ROWS,
    await loop.exampleLog.endOffset(0),
  ]);
  const bytes = present(await loop.blobs.get(part.checkpoint.name), "the part is written");
  assert.equal(decodePart<TrainerState>(bytes).model.step, 3);

  // The shard's rows of the cut hold the same three batches.
  const shard = loop.mesh.node().actorRef<EmbeddingShardMessage>("embedding_shard/0");
  const rows = async () => {
    const page = { kind: "exportRows", rowsMax: 1_000 } as const;
    return (await loop.mesh.settle(shard.ask(page, { budgetMs: 1_000 }))).rows;
  };
  const before = await rows();
  const writing = shard.ask({ kind: "writeSnapshot", snapshot, spreadMs: 0 }, { budgetMs: 1_000 });
  const shards = [{ ...await loop.mesh.settle(writing), earlier: [], cut: {} }];
  const trainers = [part];
  const manifest = { format: FORMAT, name: snapshot, atMs: 1, trainers, shards } as const;
  await writeManifest(loop.blobs, manifest);
  await loop.restart("embedding_shard/0");
  await loop.mesh.advance(5_000);
  assert.deepEqual(await rows(), before);
  assert.equal((await loop.trainerStatus()).examples, 0, "nothing is learned again");
  await loop.stop();
});

Deno.test("a cut does not wait for a joiner that is away: after half a second it is made with the batches in flight", async () => {
  const loop = await Loop.start({
    joiner: { lingerMs: 60_000 },
    trainer: { batchRows: 2, pipelined: true },
  });
  const { rankingId } = await loop.rank("user", ["a", "b"]);
  await loop.act(rankingId, "a", "click");
  await loop.act(rankingId, "b", "click");
  await loop.mesh.advance(100);
  assert.equal((await loop.trainerStatus()).examples, 0, "the batch waits for the next chunk");
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const { parts: [part] } = await loop.mesh.settle(trainer.ask(CUT, { budgetMs: 5_000 }));
  assert.equal(part.sequence, 2);
  assert.equal((await loop.trainerStatus()).examples, 2);
  await loop.stop();
});

Deno.test("a trainer refuses a cut that was begun with the trainers of another dealing", async () => {
  const loop = await Loop.start({ trainer: { batchRows: 2 } });
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  await loop.mesh.settle(assert.rejects(
    trainer.ask({ ...CUT, dealing: 1 }, { budgetMs: 5_000 }),
    /trainer\/0 is of dealing 0, and the snapshot snapshots\/1 .* of dealing 1: take another one/,
  ));
  await loop.stop();
});
