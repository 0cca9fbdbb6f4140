/**
 * Bugs to plant of trainers and shards.
 */
import type { Plant } from "./plant.ts";

const shard = "actors/embedding_shard/embedding_shard.ts";

/** See {@link Plant}. */
export const learningPlants: readonly Plant[] = [
  {
    name: "drop-ack",
    edits: [{
      file: "actors/trainer/repeated_asks.ts",
      find: "loggedMs = this.#log(error, { isStart, beganMs, loggedMs });",
      replace: 'if (name === "AskTimeoutError" && !isStart) return undefined as R;',
    }],
    seenBy: ["exactly-once", "liveness"],
    scenario: "interrupts",
  },
  {
    name: "double-apply",
    edits: [{
      file: shard,
      find:
        "if (message.sequence <= mark) return this.#context.reply(message, { applied: false });",
      replace: "",
    }],
    seenBy: ["exactly-once"],
    scenario: "swarm",
  },
  {
    // Parameter sync rests while nothing is learned, and then looks once a second.
    name: "news-untold",
    edits: [{
      file: "actors/trainer/trainer.ts",
      find: 'this.#sync.tell({ kind: "trainerLearned" });',
      replace: "void this.#sync;",
    }],
    seenBy: ["prompt-freshness"],
    scenario: "quiet",
  },
  {
    // A feed that has all deltas waits until the next second, whatever is learned meanwhile.
    name: "takers-unanswered",
    edits: [{
      file: "actors/embedding_shard/delta_takers.ts",
      find: "if (waiting !== undefined) this.#seal(waiting.request.rowsMax);",
      replace: "void waiting;",
    }],
    seenBy: ["prompt-freshness"],
    scenario: "quiet",
  },
  {
    name: "cut-without-settle",
    edits: [{
      file: "actors/trainer/learning.ts",
      find:
        "    while (!this.pipeline.isEmpty) await this.#learnOldest();\n    await this.pipeline.drain();",
      replace: "",
    }],
    seenBy: ["held-invariants", "exactly-once", "supervision"],
    scenario: "late-chunks",
  },
  {
    // A trainer that starts again splits large chunks elsewhere, and at no shard's mark.
    name: "no-boundary",
    edits: [{
      file: "actors/trainer/chunk_batches.ts",
      find: "boundaries: [...boundaries, ...skipped",
      replace:
        "shift: boundaries.some((boundary) => boundary > 0) ? 1 : 0,\n        boundaries: [...skipped",
    }, {
      file: "actors/trainer/chunk_batches.ts",
      find: "(Math.floor((from - firstRow) / batchRows) + 1) * batchRows;",
      replace: "(Math.floor((from - firstRow + shift) / batchRows) + 1) * batchRows - shift;",
    }, {
      file: "actors/trainer/chunk_batches.ts",
      find: "{ boundaries, skipped }: PartitionState,",
      replace: "{ boundaries, skipped, shift = 0 }: PartitionState & { readonly shift?: number },",
    }],
    seenBy: ["exactly-once"],
    scenario: "split-chunks",
  },
  {
    name: "chunks-as-they-come",
    edits: [{
      file: "actors/trainer/example_reader.ts",
      find: "queue.head !== undefined || queue.hasPassed(order));",
      replace: "queue.head !== undefined || queue.hasPassed(order) || true);",
    }],
    seenBy: ["ordered-partitions"],
    scenario: "several-partitions",
  },
  {
    name: "mean-undone",
    edits: [{
      file: "actors/trainer/weight_exchange.ts",
      find: "await this.#session.load(ontoMean(mean, weights, await this.#session.weights()));",
      replace: "void ontoMean, weights;\n    await this.#session.load(mean);",
    }],
    seenBy: ["averaged-weights"],
    scenario: "several-trainers",
  },
  {
    // The kernel's queue of removed ids holds 2^18; here two of one delta overflow it.
    name: "lineage-continued",
    edits: [{
      file: "kernels/embedding/class_deltas.ts",
      find: 'if (delta === "overflowed") return this.#beginLineage();',
      replace: 'if (delta === "overflowed" || (delta?.tombstones.length ?? 0) > 2) {\n' +
        "        table.deltas.begin(CONSUMER);\n" +
        "        this.#acknowledged = this.#acknowledged.with(c, 0);\n" +
        "        classes.push(undefined);\n" +
        "        continue;\n" +
        "      }",
    }],
    seenBy: ["whole-deltas", "served-rows", "honest-freshness", "held-invariants"],
    scenario: "ageing",
  },
  {
    name: "cut-behind-shards",
    edits: [{
      file: "actors/embedding_shard/sources.ts",
      find: "(applied > sequence\n",
      replace: "(applied > Infinity\n",
    }],
    seenBy: ["exactly-once"],
    scenario: "cuts-in-replays",
  },
  {
    name: "erasure-not-written-again",
    edits: [{
      file: "actors/trainer/eraser.ts",
      find: "      return STORE_RETRY_MS;\n",
      replace: "      return new Promise<number>(() => {});\n",
    }],
    seenBy: ["liveness", "erased-users"],
    scenario: "erasures",
  },
  {
    name: "refusals-unrecorded",
    edits: [{
      file: "actors/trainer/refusals.ts",
      find: "return this.#of(batch.partition).add(rows, batch.after);",
      replace: "return this.#of(batch.partition).add([], batch.after);",
    }],
    seenBy: ["refused-rows"],
    scenario: "refused-examples",
  },
];
