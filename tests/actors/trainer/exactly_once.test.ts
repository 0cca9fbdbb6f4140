import assert from "node:assert/strict";
import type {
  ApplyGradients,
  EmbeddingShardMessage,
} from "../../../actors/embedding_shard/protocol.ts";
import type { ActorContext, Behavior } from "../../../mesh/runtime/actor.ts";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

/** How often each id was applied, counted where the shards answer. */
class AppliedCounts {
  readonly counts = new Map<bigint, number>();
  refused = 0;
  /** Gradients for this shard are lost on their way. */
  losesGradients: string | undefined;
  /** Answers of this shard to gradients are lost on their way. */
  losesAnswers: string | undefined;

  wrap(
    behavior: Behavior<EmbeddingShardMessage>,
    address: string,
  ): Behavior<EmbeddingShardMessage> {
    return {
      receive: (message) => {
        if (message.kind === "applyGradients" && this.losesGradients === address) return;
        return behavior.receive(message);
      },
    };
  }

  context(
    context: ActorContext<EmbeddingShardMessage>,
  ): ActorContext<EmbeddingShardMessage> {
    return altered(context, {
      reply: (message, value, transfer) => {
        const received = message as EmbeddingShardMessage;
        if (received.kind === "applyGradients") {
          this.#count(received, (value as { applied: boolean }).applied);
          if (this.losesAnswers === context.self.address) return;
        }
        context.reply(message, value, transfer);
      },
    });
  }

  #count({ ids, counts }: ApplyGradients, applied: boolean): void {
    if (!applied) this.refused++;
    else {
      ids.forEach((id, i) => this.counts.set(id, (this.counts.get(id) ?? 0) + counts[i]));
    }
  }
}

async function occurrences(loop: Loop): Promise<Map<bigint, number>> {
  const counted = new Map<bigint, number>();
  for (let partition = 0; partition < loop.exampleLog.partitions; partition++) {
    for (const { ids } of await loop.examples(partition)) {
      for (const id of new BigUint64Array(ids.slice().buffer)) {
        counted.set(id, (counted.get(id) ?? 0) + 1);
      }
    }
  }
  return counted;
}

async function visit(loop: Loop, i: number): Promise<void> {
  const items = [0, 1, 2].map((k) => `item-${(i * 7 + k * 3) % 20}`);
  const { rankingId } = await loop.rank(`user-${i % 5}`, items);
  for (const item of items) if ((i + item.length) % 3 > 0) await loop.act(rankingId, item, "click");
}

async function runWithFaults(
  fault: (world: { loop: Loop; applied: AppliedCounts; failStep(): void }, i: number) => void,
  { pipelined = false, trainers = 1, partitions = 0 } = {},
): Promise<{ loop: Loop; applied: AppliedCounts }> {
  const applied = new AppliedCounts();
  let failing = false;
  const loop = await Loop.start({
    shards: 3,
    trainers,
    partitions: partitions || trainers,
    joiner: { lingerMs: 10 },
    trainer: { batchRows: 8, shardBudgetMs: 100, shardAttemptsMax: 2, pipelined },
    interference: {
      shard: (definition) => ({
        ...definition,
        create: async (context, options) =>
          applied.wrap(
            await definition.create(applied.context(context), options),
            context.self.address,
          ),
      }),
      trainingSession: (session) =>
        altered(session, {
          step: (batch) => {
            if (!failing) return session.step(batch);
            failing = false;
            return Promise.reject(new Error("injected failure of the step"));
          },
        }),
    },
  });
  for (let i = 0; i < 60; i++) {
    fault({ loop, applied, failStep: () => failing = true }, i);
    await visit(loop, i);
    await loop.mesh.advance(40);
  }
  await loop.mesh.advance(20_000);
  return { loop, applied };
}

Deno.test("a trainer that crashes learns every example once", async () => {
  const { loop, applied } = await runWithFaults(({ failStep }, i) => {
    if (i % 20 === 13) failStep();
  });
  assert.deepEqual(applied.counts, await occurrences(loop));
  assert.ok(applied.refused > 0, "the restarted trainer sends gradients that were applied before");
  const chunks = await loop.examples();
  const examples = chunks.reduce((sum, { rows }) => sum + rows, 0);
  const counted = loop.mesh.telemetry.value("cairn_trainer_examples_total", { trainer: "0" });
  assert.equal(counted, examples, "rows that are learned again are not counted again");
  const { trained } = await loop.progressiveValidation();
  assert.ok(trained.clicked.examples < examples, "nor are they validated after their labels");
  await loop.stop();
});

Deno.test("a shard whose gradients are lost for a while applies each once, and the others apply none twice", async () => {
  const { loop, applied } = await runWithFaults(({ applied }, i) => {
    applied.losesGradients = i >= 20 && i < 35 ? "embedding_shard/1" : undefined;
  });
  assert.deepEqual(applied.counts, await occurrences(loop));
  await loop.stop();
});

Deno.test("gradients whose acknowledgement is lost are not applied again", async () => {
  const { loop, applied } = await runWithFaults(({ applied }, i) => {
    applied.losesAnswers = i >= 20 && i < 35 ? "embedding_shard/2" : undefined;
  });
  assert.deepEqual(applied.counts, await occurrences(loop));
  assert.ok(applied.refused > 0);
  await loop.stop();
});

Deno.test("with pipelining no example is lost or repeated", async () => {
  const { loop, applied } = await runWithFaults(({ applied, failStep }, i) => {
    if (i % 20 === 13) failStep();
    applied.losesGradients = i >= 30 && i < 40 ? "embedding_shard/0" : undefined;
  }, { pipelined: true });
  assert.deepEqual(applied.counts, await occurrences(loop));
  await loop.stop();
});

Deno.test("two trainers learn every example of one stream once, although one crashes and a shard's gradients are lost", async () => {
  const { loop, applied } = await runWithFaults(({ applied, failStep }, i) => {
    if (i % 20 === 13) failStep();
    applied.losesGradients = i >= 30 && i < 40 ? "embedding_shard/0" : undefined;
  }, { trainers: 2 });
  for (const partition of [0, 1]) {
    const chunks = await loop.examples(partition);
    assert.ok(chunks.some(({ rows }) => rows > 0), `partition ${partition} has examples`);
  }
  assert.deepEqual(applied.counts, await occurrences(loop));
  assert.ok(applied.refused > 0, "the restarted trainer sends gradients that were applied before");
  await loop.stop();
});

for (const pipelined of [false, true]) {
  const how = pipelined ? "with pipelining" : "without pipelining";
  Deno.test(`a trainer of four partitions learns every example once, although it crashes and a shard's gradients are lost, ${how}`, async () => {
    const { loop, applied } = await runWithFaults(({ applied, failStep }, i) => {
      if (i % 20 === 13) failStep();
      applied.losesGradients = i >= 30 && i < 40 ? "embedding_shard/0" : undefined;
    }, { partitions: 4, pipelined });
    for (const partition of [0, 1, 2, 3]) {
      const chunks = await loop.examples(partition);
      assert.ok(chunks.some(({ rows }) => rows > 0), `partition ${partition} has examples`);
    }
    assert.deepEqual(applied.counts, await occurrences(loop));
    assert.ok(
      applied.refused > 0,
      "the restarted trainer sends gradients that were applied before",
    );
    await loop.stop();
  });
}
