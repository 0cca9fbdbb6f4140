/**
 * Bugs to plant, each an exact text edit of a production file, or of several where a second defence
 * keeps the promise. A simulation with a plant must fail: that is the proof that its checkers see
 * something. Production code has no test switch; edited files are served to a process of its own
 * through an import map.
 */

/** One replaced text. */
export interface PlantEdit {
  /** Path from the repository's root. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** One bug. */
export interface Plant {
  readonly name: string;
  /** More than one where a second defence keeps the promise. One of each file at most. */
  readonly edits: readonly PlantEdit[];
  /** Checkers that are expected to see it. */
  readonly seenBy: readonly string[];
  /** Scenario in which it shows soonest. */
  readonly scenario: string;
}

const shard = "actors/embedding_shard/embedding_shard.ts";
const replica = "actors/serving_replica/serving_replica.ts";
const sync = "actors/parameter_sync/parameter_sync.ts";
const shardSync = "actors/parameter_sync/shard_sync.ts";

/** All plants. */
export const plants: readonly Plant[] = [
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
    name: "stale-epoch-write",
    edits: [{
      file: shard,
      find:
        "if (epoch !== this.#epochs.get(source)) return new SourceReopenedError(shard, source);",
      replace: "void epoch;",
    }, {
      file: "actors/embedding_shard/definition.ts",
      find: 'case "getIncarnation":',
      replace: 'case "getIncarnation":\n        case "openSource":',
    }, {
      file: "mesh/runtime/actor_cell.ts",
      find: "if (mail.settled || nowMs >= mail.deadlineMs) {",
      replace: "if (mail.settled && nowMs < 0) {",
    }],
    seenBy: ["prompt-asks", "current-openings", "exactly-once"],
    scenario: "interrupts",
  },
  {
    name: "lose-joiner-state",
    edits: [{
      file: "actors/joiner/join_window.ts",
      find: "oldestUndecided === undefined\n      ? { replayOffset",
      replace: "oldestUndecided === undefined || true\n      ? { replayOffset",
    }],
    seenBy: ["joined-examples"],
    scenario: "power-failures",
  },
  {
    name: "torn-snapshot",
    edits: [{
      file: "records/snapshot_parts.ts",
      find:
        "  await blobs.put(name, bytes);\n  return { name, bytes: bytes.byteLength, checksum: kernel",
      replace:
        "  void blobs.put(name, bytes);\n  return { name, bytes: bytes.byteLength, checksum: kernel",
    }],
    seenBy: ["whole-snapshots"],
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
      find: "this.#roundMs.record(this.#context.clock.monotonicMs() - beganMs);",
      replace:
        "this.#roundMs.record(this.#context.clock.monotonicMs() - beganMs);\n    await this.#readMarks();",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "freshness-max",
    edits: [{
      file: sync,
      find: "const learned = Math.min(",
      replace: "const learned = Math.max(",
    }],
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "cut-without-settle",
    edits: [{
      file: "actors/trainer/trainer.ts",
      find:
        "    while (!this.#pipeline.isEmpty) await this.#learnOldest();\n    await this.#pipeline.drain();",
      replace: "",
    }],
    seenBy: ["kept-invariants", "exactly-once", "supervision"],
    scenario: "full-disk",
  },
  {
    name: "trim-newest",
    edits: [{
      file: "actors/snapshotter/snapshotter.ts",
      find: "floors.set(partition, Math.min(offset, floors.get(partition) ?? Infinity));",
      replace: "floors.set(partition, Math.max(offset + 1, floors.get(partition) ?? 0));",
    }],
    seenBy: ["whole-snapshots", "supervision"],
    scenario: "swarm",
  },
  {
    name: "partition-twice",
    edits: [{
      file: "actors/joiner/example_partition.ts",
      find:
        "if (moment.eventOffset < start.eventOffset || impressionOffset < start.replayOffset) {",
      replace: "if (impressionOffset < start.replayOffset) {",
    }],
    seenBy: ["joined-examples", "example-chunks"],
    scenario: "power-failures",
  },
  {
    name: "forget-written",
    edits: [{
      file: "actors/joiner/example_partition.ts",
      find: '    await this.#log.append(this.#partition, this.#waiting, "durable", this.#fence);',
      replace:
        '    const chunksNow = this.#waiting;\n    this.#waiting = [];\n    await this.#log.append(this.#partition, chunksNow, "durable", this.#fence);',
    }],
    seenBy: ["joined-examples", "example-chunks"],
    scenario: "full-disk",
  },
  {
    name: "ack-before-durable",
    edits: [{
      file: "gateway/routes/event_acceptance.ts",
      find: "await eventLog.append(partition, records);",
      replace: 'await eventLog.append(partition, records, "written");',
    }],
    seenBy: ["accepted-events"],
    scenario: "power-failures",
  },
  {
    name: "manifest-last-deleted",
    edits: [{
      file: "records/snapshot_manifest.ts",
      find: "names.sort((a, b) => Number(isManifest(b)) - Number(isManifest(a)));",
      replace: "names.sort((a, b) => Number(isManifest(a)) - Number(isManifest(b)));",
    }],
    seenBy: ["whole-snapshots"],
    scenario: "swarm",
  },
  {
    name: "clock-back",
    edits: [{
      file: "gateway/memory/acceptance_clock.ts",
      find:
        'const nextMs = Math.max(this.#clock.nowMs(), this.#lastMs + STEP_MS);\n    invariant(nextMs > this.#lastMs, "acceptance times strictly ascend");',
      replace: "const nextMs = this.#clock.nowMs();",
    }],
    seenBy: ["ascending-acceptance"],
    scenario: "clock-steps",
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
    name: "duplicate-event",
    edits: [{
      file: "gateway/memory/recent_events.ts",
      find: "this.#accepted.set(fingerprintOf(eventId), { content, acceptedAtMs });",
      replace: "",
    }],
    seenBy: ["accepted-events"],
    scenario: "swarm",
  },
  {
    name: "keep-old-rows",
    edits: [{
      file: replica,
      find: "      this.#tables.endFill();\n",
      replace: "",
    }],
    seenBy: ["served-rows", "supervision", "liveness"],
    scenario: "swarm",
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
  {
    name: "cut-behind-shards",
    edits: [{
      file: shard,
      find: "(applied > sequence\n",
      replace: "(applied > Infinity\n",
    }],
    seenBy: ["exactly-once"],
    scenario: "swarm",
  },
  {
    name: "snapshot-without-shard",
    edits: [{
      file: "records/snapshot_parts.ts",
      find: 'return `${shard}/chunk-${String(number).padStart(5, "0")}`;',
      replace: 'return `${shard}/chunk-${String(number % 2).padStart(5, "0")}`;',
    }],
    seenBy: ["whole-snapshots", "supervision"],
    scenario: "swarm",
  },
  {
    name: "scores-ascending",
    edits: [{
      file: "gateway/routes/ranking_calls.ts",
      find: "items: ranking.items",
      replace: "items: [...ranking.items].reverse()",
    }],
    seenBy: ["stated-answers"],
    scenario: "quiet",
  },
  {
    name: "late-effects",
    edits: [{
      file: "mesh/runtime/actor_cell.ts",
      find: "if (mail.settled || nowMs >= mail.deadlineMs) {",
      replace: "if (mail.settled && nowMs < 0) {",
    }],
    seenBy: ["prompt-asks"],
    scenario: "slow-threads",
  },
  {
    name: "forget-touched-early",
    edits: [{
      file: "kernels/embedding/class_tables.ts",
      find: "const again = acknowledged < this.#given;",
      replace: "const again = false;",
    }],
    seenBy: ["kept-invariants", "whole-deltas", "honest-freshness", "served-rows"],
    scenario: "interrupts",
  },
  {
    name: "no-boundary",
    edits: [{
      file: "actors/trainer/chunk_batches.ts",
      find: "this.#marks = [...marks, ...skipped",
      replace: "void marks;\n    this.#marks = [...skipped",
    }],
    seenBy: ["exactly-once"],
    scenario: "batch-sizes",
  },
  {
    name: "torn-tail-kept",
    edits: [{
      file: "mesh/adapters/embedded/segment_recovery.ts",
      find: "if (!block || !isIntact(block)) break;",
      replace: "if (!block) break;",
    }],
    seenBy: ["log-offsets", "joined-examples", "accepted-events", "supervision", "liveness"],
    scenario: "power-failures",
  },
  {
    name: "sampling-by-arrival",
    edits: [{
      file: "actors/joiner/negative_sampling.ts",
      find: "return mix(mix(key) + Math.imul(row, GOLDEN_RATIO)) < this.#threshold;",
      replace: "void key;\n    void row;\n    const self = this as unknown as { n?: number };\n" +
        "    self.n = (self.n ?? 0) + 1;\n    return mix(self.n) < this.#threshold;",
    }],
    seenBy: ["joined-examples"],
    scenario: "power-failures",
  },
  {
    name: "read-before-roll",
    edits: [{
      file: "mesh/adapters/embedded/segment_reader.ts",
      find: "next = Math.max(next, end);",
      replace: "next = end;",
    }],
    seenBy: ["example-chunks", "joined-examples"],
    scenario: "swarm",
  },
  {
    name: "sync-error-ignored",
    edits: [{
      file: "mesh/adapters/embedded/segment_writer.ts",
      find: "    await this.#file.syncData();\n",
      replace: "    await this.#file.syncData().catch(() => {});\n",
    }],
    seenBy: ["accepted-events", "log-offsets", "joined-examples", "supervision"],
    scenario: "bad-disk",
  },
];
