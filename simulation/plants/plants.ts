/**
 * Bugs to plant, each one exact text edit of one production file. A simulation with a plant must
 * fail: that is the proof that its checkers see something. Production code has no test switch; the
 * edited file is served to a process of its own through an import map.
 */

/** One bug. */
export interface Plant {
  readonly name: string;
  /** Path from the repository's root. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** Checkers that are expected to see it. */
  readonly seenBy: readonly string[];
  /** Scenario in which it shows soonest. */
  readonly scenario: string;
}

const shard = "actors/embedding_shard/embedding_shard.ts";
const replica = "actors/serving_replica/serving_replica.ts";
const shardClient = "actors/trainer/shard_client.ts";
const sync = "actors/parameter_sync/parameter_sync.ts";
const shardSync = "actors/parameter_sync/shard_sync.ts";

/** All plants. */
export const plants: readonly Plant[] = [
  {
    name: "drop-ack",
    file: shardClient,
    find: "if (isFinal || attempts >= this.#options.attemptsMax) throw error;",
    replace:
      "if (isFinal) throw error;\n        if (attempts >= this.#options.attemptsMax) return undefined as R;",
    seenBy: ["exactly-once", "liveness"],
    scenario: "slow-threads",
  },
  {
    name: "double-apply",
    file: shard,
    find: "if (message.sequence <= mark) return this.#context.reply(message, { applied: false });",
    replace: "",
    seenBy: ["exactly-once"],
    scenario: "swarm",
  },
  {
    name: "missing-tombstone",
    file: replica,
    find: "this.#tables.remove(rowClass, changes.tombstones);",
    replace: "",
    seenBy: ["served-rows"],
    scenario: "swarm",
  },
  {
    name: "stale-epoch-write",
    file: shard,
    find: "if (epoch !== this.#epochs.get(source)) return new SourceReopenedError(shard, source);",
    replace: "void epoch;",
    seenBy: ["exactly-once"],
    scenario: "slow-threads",
  },
  {
    name: "lose-joiner-state",
    file: "actors/joiner/join_window.ts",
    find: "return oldest === undefined\n",
    replace: "return oldest === undefined || true\n",
    seenBy: ["joined-examples"],
    scenario: "power-failures",
  },
  {
    name: "torn-snapshot",
    file: "records/snapshot_parts.ts",
    find:
      "  await blobs.put(name, bytes);\n  return { name, bytes: bytes.byteLength, checksum: kernel",
    replace:
      "  void blobs.put(name, bytes);\n  return { name, bytes: bytes.byteLength, checksum: kernel",
    seenBy: ["whole-snapshots"],
    scenario: "swarm",
  },
  {
    name: "reorder-delta",
    file: replica,
    find: 'if (sequence !== this.#position.sequence + 1) return answer("gap");',
    replace: "this.#position = { lineage, sequence: sequence - 1 };",
    seenBy: ["served-rows"],
    scenario: "swarm",
  },
  {
    name: "early-freshness",
    file: sync,
    find: "this.#roundMs.record(this.#context.clock.monotonicMs() - beganMs);",
    replace:
      "this.#roundMs.record(this.#context.clock.monotonicMs() - beganMs);\n    await this.#readMarks();",
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "freshness-max",
    file: sync,
    find: "const learned = Math.min(",
    replace: "const learned = Math.max(",
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "cut-without-settle",
    file: "actors/trainer/trainer.ts",
    find:
      "    while (!this.#pipeline.isEmpty) await this.#learnOldest();\n    await this.#pipeline.drain();",
    replace: "",
    seenBy: ["exactly-once", "supervision", "crash"],
    scenario: "swarm",
  },
  {
    name: "trim-newest",
    file: "actors/snapshotter/snapshotter.ts",
    find: "floors.set(partition, Math.min(offset, floors.get(partition) ?? Infinity));",
    replace: "floors.set(partition, Math.max(offset + 1, floors.get(partition) ?? 0));",
    seenBy: ["whole-snapshots", "supervision"],
    scenario: "swarm",
  },
  {
    name: "partition-twice",
    file: "actors/joiner/example_partition.ts",
    find: "if (moment.eventOffset < start.eventOffset || impressionOffset < start.replayOffset) {",
    replace: "if (impressionOffset < start.replayOffset) {",
    seenBy: ["joined-examples", "example-chunks"],
    scenario: "power-failures",
  },
  {
    name: "forget-written",
    file: "actors/joiner/example_partition.ts",
    find: "    await this.#log.append(this.#partition, this.#waiting);\n    this.#waiting = [];",
    replace:
      "    const chunksNow = this.#waiting;\n    this.#waiting = [];\n    await this.#log.append(this.#partition, chunksNow);",
    seenBy: ["joined-examples", "example-chunks"],
    scenario: "full-disk",
  },
  {
    name: "ack-before-durable",
    file: "gateway/routes/event_acceptance.ts",
    find: "this.#parts.eventLog.append(partition, records).then(",
    replace: 'this.#parts.eventLog.append(partition, records, "written").then(',
    seenBy: ["accepted-events"],
    scenario: "power-failures",
  },
  {
    name: "manifest-last-deleted",
    file: "records/snapshot_manifest.ts",
    find: "names.sort((a, b) => Number(isManifest(b)) - Number(isManifest(a)));",
    replace: "names.sort((a, b) => Number(isManifest(a)) - Number(isManifest(b)));",
    seenBy: ["whole-snapshots"],
    scenario: "swarm",
  },
  {
    name: "clock-back",
    file: "gateway/memory/acceptance_clock.ts",
    find:
      'const nextMs = Math.max(this.#clock.nowMs(), this.#lastMs + STEP_MS);\n    invariant(nextMs > this.#lastMs, "acceptance times strictly ascend");',
    replace: "const nextMs = this.#clock.nowMs();",
    seenBy: ["ascending-acceptance"],
    scenario: "clock-steps",
  },
  {
    name: "behind-forgotten",
    file: shardSync,
    find: "        round.failures.set(i, error as Error);\n        this.#behind.add(i);",
    replace: "        round.failures.set(i, error as Error);",
    seenBy: ["served-rows", "honest-freshness"],
    scenario: "slow-threads",
  },
  {
    name: "duplicate-event",
    file: "gateway/memory/recent_events.ts",
    find: "this.#accepted.set(fingerprintOf(eventId), { content, acceptedAtMs });",
    replace: "",
    seenBy: ["accepted-events"],
    scenario: "swarm",
  },
  {
    name: "keep-old-rows",
    file: replica,
    find: "      this.#tables.endFill();\n",
    replace: "",
    seenBy: ["served-rows", "supervision", "liveness"],
    scenario: "swarm",
  },
  {
    name: "repeated-delta-completes",
    file: shardSync,
    find: "drained = !repeated;",
    replace: "void repeated;\n      drained = true;",
    seenBy: ["honest-freshness"],
    scenario: "swarm",
  },
  {
    name: "cut-behind-shards",
    file: shard,
    find: "(applied > sequence\n",
    replace: "(applied > Infinity\n",
    seenBy: ["exactly-once"],
    scenario: "swarm",
  },
  {
    name: "snapshot-without-shard",
    file: "records/snapshot_parts.ts",
    find: 'const name = `${shard}/chunk-${String(number).padStart(5, "0")}`;',
    replace: 'const name = `${shard}/chunk-${String(number % 2).padStart(5, "0")}`;',
    seenBy: ["whole-snapshots", "supervision"],
    scenario: "swarm",
  },
  {
    name: "scores-ascending",
    file: "gateway/routes/ranking_calls.ts",
    find: "items: ranking.items",
    replace: "items: [...ranking.items].reverse()",
    seenBy: ["stated-answers"],
    scenario: "quiet",
  },
];
