/**
 * Bugs to plant of serving replicas, and of the deltas and marks that the shards give them.
 */
import type { Plant } from "./plant.ts";

const replica = "actors/serving_replica/serving_replica.ts";
const replicaClient = "actors/scorer/replica_client.ts";
const acceptanceMarks = "actors/parameter_sync/acceptance_marks.ts";
const weightTransfers = "actors/parameter_sync/weight_transfers.ts";
const deltaStream = "actors/embedding_shard/delta_stream.ts";
const deltaTakers = "actors/embedding_shard/delta_takers.ts";
const replicaFeed = "actors/row_feed/replica_feed.ts";
const placementAgent = "server/placement_agent.ts";

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
    name: "logged-after-hang-up",
    edits: [{
      file: "actors/ranker/ranker.ts",
      find: "      signals: signal && [signal],\n",
      replace: "      signals: undefined,\n",
    }, {
      file: "actors/ranker/ranker.ts",
      find: "if (!this.#context.shield(asked.replyTo)) {",
      replace: "if (!this.#context.shield(asked.replyTo) && rankingId === undefined) {",
    }],
    seenBy: ["cancelled-rankings"],
    scenario: "swarm",
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
      file: replicaFeed,
      find: "    for (const delta of deltas) {\n",
      replace: "    for (const delta of deltas.toReversed()) {\n",
    }, {
      file: replica,
      find: '    if (sequence <= this.#position.sequence) return answer("duplicate");\n' +
        '    if (sequence !== this.#position.sequence + 1) return answer("gap");\n',
      replace: "",
    }],
    seenBy: ["honest-freshness"],
    scenario: "drain-under-load",
  },
  {
    name: "mark-before-drained",
    edits: [{
      file: deltaTakers,
      find: "    if (deltas.seal({ rowsMax, isLoading: isLoading() })) {\n",
      replace: "    if (deltas.seal({ rowsMax, isLoading: isLoading() }) || this.#mark) {\n",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "mark-of-one-shard",
    edits: [{
      file: replicaClient,
      find: "learnedThroughMs = Math.min(learnedThroughMs, answer.learnedThroughMs ?? 0);",
      replace: "learnedThroughMs = answer.learnedThroughMs ?? 0;",
    }],
    seenBy: ["honest-freshness"],
    scenario: "mesh-swarm",
  },
  {
    name: "mark-kept-in-another-lineage",
    edits: [{
      file: replicaFeed,
      find: "    this.#learnedThroughMs = undefined;\n    await this.#tellMark();\n",
      replace: "",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "first-holder-only",
    edits: [{
      file: replicaClient,
      find: "const isLast = i === order.length - 1 || leftMs === 0;",
      replace: "const isLast = true;",
    }],
    seenBy: ["answered-lookups"],
    scenario: "spread-serving",
  },
  {
    name: "begun-host-waited-for",
    edits: [{
      file: placementAgent,
      find: "      this.#options.onBegan?.(host);\n",
      replace: "",
    }],
    seenBy: ["answered-lookups"],
    scenario: "spread-serving",
  },
  {
    name: "slow-taker-skipped",
    edits: [{
      file: deltaStream,
      find: " && position.sequence >= oldest &&",
      replace: " &&",
    }, {
      file: deltaStream,
      find: "this.#held.slice(position.sequence - oldest)",
      replace: "this.#held.slice(Math.max(0, position.sequence - oldest))",
    }, {
      file: deltaStream,
      find: "const HELD_DELTAS_MAX = 1_024;",
      replace: "const HELD_DELTAS_MAX = 1;",
    }],
    seenBy: ["whole-deltas"],
    scenario: "mesh-swarm",
  },
  {
    name: "delta-sealed-unheld",
    edits: [{
      file: deltaStream,
      find: "    if (delta !== undefined) this.#hold(delta);\n",
      replace: "    if (delta !== undefined && delta.sequence % 8 > 0) this.#hold(delta);\n",
    }],
    seenBy: ["whole-deltas", "served-rows", "honest-freshness", "supervision"],
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
    name: "failed-transfer-stays",
    edits: [{
      file: weightTransfers,
      find: "      if (!isRelay) this.#failed(scorers[0], error);\n",
      replace: "      if (!isRelay) return this.#failed(scorers[0], error);\n",
    }],
    seenBy: ["liveness"],
    scenario: "swarm",
  },
  {
    name: "relay-forgets",
    edits: [{
      file: weightTransfers,
      find: "      this.#underWay.delete(scorer);\n",
      replace: "      if (!isRelay || versions[i] >= 0) this.#underWay.delete(scorer);\n",
    }],
    seenBy: ["liveness"],
    scenario: "mesh-swarm",
  },
  {
    name: "scope-kept",
    edits: [{
      file: "actors/trainer/mark_news.ts",
      find: "const isScopeKnown = known?.scope === scope.id;",
      replace: "const isScopeKnown = known !== undefined;",
    }],
    seenBy: ["liveness"],
    scenario: "swarm",
  },
  {
    name: "passed-over-is-away",
    edits: [{
      file: replicaClient,
      find: "replicas.toSorted((a, b) => passedOver(a) - passedOver(b));",
      replace: "replicas.filter((each) => passedOver(each) < 0);",
    }],
    seenBy: ["answered-lookups"],
    scenario: "interrupts",
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
];
