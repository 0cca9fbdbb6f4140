/**
 * Bugs to plant of serving replicas and of the sync that follows the shards.
 */
import type { Plant } from "./plant.ts";

const replica = "actors/serving_replica/serving_replica.ts";
const sync = "actors/parameter_sync/parameter_sync.ts";
const acceptanceMarks = "actors/parameter_sync/acceptance_marks.ts";
const shardSync = "actors/parameter_sync/shard_sync.ts";

/** See {@link Plant}. */
export const servingPlants: readonly Plant[] = [
  {
    name: "similar-to-itself",
    edits: [{
      file: "actors/retriever/retriever.ts",
      find: 'this.#search(query, "cosine", request, item);',
      replace: 'this.#search(query, "cosine", request);',
    }],
    seenBy: ["recommended-items"],
    scenario: "recommendations",
  },
  {
    name: "stale-filter",
    edits: [{
      file: "actors/retriever/item_filters.ts",
      find: "items.set(index, isHeld && holds(this.#scopeOf(index)));",
      replace: "if (!isHeld) items.set(index, holds(this.#scopeOf(index)));",
    }],
    seenBy: ["recommended-items"],
    scenario: "recommendations",
  },
  {
    name: "missed-item",
    edits: [{
      file: "actors/catalogue/catalogue.ts",
      find: "else this.#changed.add(id);",
      replace: 'else if (this.#progress.kind !== "done") this.#changed.add(id);',
    }],
    seenBy: ["recommended-items"],
    scenario: "recommendations",
  },
  {
    name: "no-sweep",
    edits: [{
      file: "actors/retriever/item_vectors.ts",
      find: "if (indices.length > 0) return { indices, sweeps: false };",
      replace: "if (indices.length >= 0) return { indices, sweeps: false };",
    }],
    seenBy: ["recommended-items"],
    scenario: "recommendations",
  },
  {
    name: "new-items-first",
    edits: [{
      file: "rules/new_item_positions.ts",
      find: "const { value } = (taken.has(at) ? own : others).next();",
      replace: "const { value } = (at < taken.size ? own : others).next();",
    }],
    seenBy: ["drawn-items"],
    scenario: "swarm",
  },
  {
    name: "one-user-for-all",
    edits: [{
      file: "kernels/features/ranking_batch.ts",
      find: "ranking.fill(i, row, row + batches[i].rows);",
      replace: "ranking.fill(0, row, row + batches[i].rows);",
    }],
    seenBy: ["reproduced-scores"],
    scenario: "quiet",
  },
  {
    name: "excluded-shown",
    edits: [{
      file: "actors/ranker/ranking_rules.ts",
      find: "times[i] > atMs - withinMs",
      replace: "times[i] > atMs - withinMs / 1_000_000",
    }],
    seenBy: ["ruled-rankings"],
    scenario: "quiet",
  },
  {
    name: "missing-tombstone",
    edits: [{
      file: replica,
      find: "this.#tables.remove(rowClass, changes.tombstones);",
      replace: "",
    }],
    seenBy: ["served-rows"],
    scenario: "swarm",
  },
  {
    name: "reorder-delta",
    edits: [{
      file: replica,
      find: 'if (sequence !== this.#position.sequence + 1) return answer("gap");',
      replace: "this.#position = { lineage, sequence: sequence - 1 };",
    }, {
      file: shardSync,
      find: "        round.failures.set(i, error as Error);\n        this.#behind.add(i);",
      replace: "        round.failures.set(i, error as Error);",
    }],
    seenBy: ["served-rows", "honest-freshness"],
    scenario: "interrupts",
  },
  {
    name: "early-freshness",
    edits: [{
      file: sync,
      find: "const incarnations = this.#shards.map(",
      replace: "await this.#acceptanceMarks.read();\n    const incarnations = this.#shards.map(",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "freshness-max",
    edits: [{
      file: acceptanceMarks,
      find: "return Math.min(",
      replace: "return Math.max(",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "behind-forgotten",
    edits: [{
      file: shardSync,
      find: "        round.failures.set(i, error as Error);\n        this.#behind.add(i);",
      replace: "        round.failures.set(i, error as Error);",
    }],
    seenBy: ["served-rows", "honest-freshness"],
    scenario: "slow-threads",
  },
  {
    name: "keep-old-rows",
    edits: [{
      file: replica,
      find: "      this.#tables.endFill();\n",
      replace: "",
    }],
    seenBy: ["served-rows", "supervision", "liveness"],
    scenario: "ageing",
  },
  {
    name: "repeated-delta-completes",
    edits: [{
      file: shardSync,
      find: "drained = !repeated;",
      replace: "void repeated;\n      drained = true;",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
];
