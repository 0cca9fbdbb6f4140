/**
 * Shards that take longer than `trainer.shardBudget`: the trainer waits for them. A restart would
 * make no shard faster.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { RepeatedAsks } from "../../../actors/trainer/repeated_asks.ts";
import { AskTimeoutError, OverloadedError } from "../../../mesh/runtime/errors.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { Loop } from "../loop.ts";

const BUDGET_MS = 50;

/** A loop whose shards handle each message of a trainer for `tookMs()`. */
async function withSlowShards(tookMs: () => number, pipelined: boolean): Promise<Loop> {
  return await Loop.start({
    trainer: { batchRows: 8, shardBudgetMs: BUDGET_MS, shardAttemptsMax: 2, pipelined },
    joiner: { windowMs: 1_000, lingerMs: 10 },
    interference: {
      shard: (definition) => ({
        ...definition,
        create: async (context, options) => {
          const shard = await definition.create(context, options);
          const isOfTrainer = ({ kind }: EmbeddingShardMessage) =>
            kind === "lookup" || kind === "applyGradients" || kind === "beginSnapshot";
          return {
            receive: async (message) => {
              if (isOfTrainer(message)) await context.pause(tookMs());
              await shard.receive(message);
            },
            stop: () => shard.stop?.(),
          };
        },
      }),
    },
  });
}

async function learnFromClicks(loop: Loop): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const { rankingId } = await loop.rank(`user-${i % 5}`, [`item-${i % 7}`, `item-${i % 3}`]);
    await loop.act(rankingId, `item-${i % 7}`, "click");
    await loop.mesh.advance(200);
  }
}

async function rowsOf(loop: Loop): Promise<number> {
  return (await loop.examples()).reduce((sum, { rows }) => sum + rows, 0);
}

for (const pipelined of [false, true]) {
  const how = pipelined ? "with pipelining" : "without pipelining";
  Deno.test(`a running trainer goes on, ${how}, when its shards become ten times slower than its budget`, async () => {
    let tookMs = 1;
    const loop = await withSlowShards(() => tookMs, pipelined);
    await learnFromClicks(loop);
    tookMs = 10 * BUDGET_MS;
    await learnFromClicks(loop);
    await loop.mesh.advance(120_000);
    const { examples } = await loop.trainerStatus();
    assert.ok(examples > 40);
    assert.equal(examples, await rowsOf(loop), "each example is learned once, without a restart");
    const crashes = loop.mesh.telemetry.lines.filter(({ message }) => message.includes("crash"));
    assert.deepEqual(crashes, []);
    await loop.snapshot();
    const manifests = (await loop.blobs.list("snapshots/")).filter((name) =>
      name.endsWith("manifest.json")
    );
    assert.equal(manifests.length, 1, "a cut has the time of the snapshot");
    await loop.stop();
  });
}

Deno.test("a trainer that waits for a shard says so every ten seconds, and ends when it is stopped", async () => {
  let tookMs = 1;
  const loop = await withSlowShards(() => tookMs, false);
  await learnFromClicks(loop);
  tookMs = 3_600_000;
  await learnFromClicks(loop);
  await loop.mesh.advance(60_000);
  const waits = loop.mesh.telemetry.lines.filter(({ message }) =>
    message.includes("still waiting for the answer of embedding_shard/")
  );
  assert.ok(waits.length >= 2 && waits.length <= 2 * 7, `${waits.length} lines of two shards`);
  await loop.mesh.settle(loop.mesh.node().stopActor("trainer/0", 0));
});

Deno.test("the budget doubles while asks time out, and follows the answers", async () => {
  const clock = new VirtualClock();
  const asks = new RepeatedAsks({
    context: {
      clock,
      telemetry: new TelemetryRecorder(),
      isCurrent: true,
      pause: (delayMs) => new Promise((resolve) => void clock.schedule(delayMs, resolve)),
    },
    address: "embedding_shard/0",
    budgetMs: 100,
    failuresMax: 2,
    finalErrors: new Set(["TypeError"]),
  });
  const budgets: number[] = [];
  /** A receiver that takes `tookMs`. */
  const ask = (tookMs: number) => (budgetMs: number) => {
    budgets.push(budgetMs);
    return new Promise<string>((resolve, reject) => {
      if (tookMs <= budgetMs) clock.schedule(tookMs, () => resolve("answer"));
      else {
        const progress = { budgetMs, node: "other", chain: [] };
        clock.schedule(
          budgetMs,
          () => reject(new AskTimeoutError("embedding_shard/0", progress)),
        );
      }
    });
  };
  assert.equal(await clock.settle(asks.ask(ask(500))), "answer");
  assert.deepEqual(budgets.splice(0), [100, 200, 400, 800]);
  await clock.settle(asks.ask(ask(500)));
  assert.deepEqual(budgets.splice(0), [1_000]);
  await clock.settle(asks.ask(ask(10)));
  await clock.settle(asks.ask(ask(10)));
  assert.deepEqual(budgets.splice(0), [1_000, 100], "a fast shard gets the least budget again");

  const endMs = clock.monotonicMs() + 350;
  const remainingMs = () => Math.max(0, endMs - clock.monotonicMs());
  const limited = asks.ask(ask(500), { remainingMs });
  await assert.rejects(clock.settle(limited), { name: "AskTimeoutError" });
  assert.ok(Math.max(...budgets) <= 350);

  let overloads = 0;
  const overloaded = () =>
    ++overloads > 20
      ? Promise.resolve("answer")
      : Promise.reject(new OverloadedError("embedding_shard/0", 8, 8));
  assert.equal(await clock.settle(asks.ask(overloaded)), "answer");

  let failures = 0;
  const failing = (error: Error) => () => {
    failures++;
    return Promise.reject(error);
  };
  await assert.rejects(clock.settle(asks.ask(failing(new Error("gone")))), /gone/);
  assert.equal(failures, 2);
  await assert.rejects(clock.settle(asks.ask(failing(new TypeError("final")))), /final/);
  assert.equal(failures, 3, "a final error is not asked for again");

  failures = 0;
  const beganMs = clock.monotonicMs();
  const late = () =>
    clock.monotonicMs() < beganMs + 5_000
      ? failing(new Error("there is no such actor"))()
      : Promise.resolve("answer");
  assert.equal(await clock.settle(asks.ask(late, { isStart: true })), "answer");
  assert.ok(failures > 20, "a start waits for a receiver that is made late");
  const absent = asks.ask(failing(new Error("gone")), { isStart: true });
  await assert.rejects(clock.settle(absent), /gone/);
  assert.ok(clock.monotonicMs() < beganMs + 5_000 + 11_000, "but not for long");
});
