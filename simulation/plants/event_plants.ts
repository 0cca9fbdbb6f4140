/**
 * Bugs to plant of the gateway's events and of the joiner.
 */
import type { Plant } from "./plant.ts";

/** See {@link Plant}. */
export const eventPlants: readonly Plant[] = [
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
    name: "clock-back",
    edits: [{
      file: "gateway/memory/acceptance_clock.ts",
      find:
        'const nextMs = Math.max(this.#clock.nowMs(), this.#lastMs + ACCEPTANCE_STEP_MS);\n    invariant(nextMs > this.#lastMs, "acceptance times strictly ascend");',
      replace: "const nextMs = this.#clock.nowMs();",
    }],
    seenBy: ["ascending-acceptance"],
    scenario: "clock-steps",
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
    name: "ids-released",
    edits: [{
      file: "gateway/erasure/erasure_log.ts",
      find: "await carryEvents(memory, this.#parts)",
      replace: "",
    }],
    seenBy: ["accepted-events"],
    scenario: "repeats-after-erasures",
  },
  {
    name: "second-pass-apiece",
    edits: [{
      file: "gateway/erasure/erasure_steps.ts",
      find: "const continuedBy = await this.laterErasure(user, request);",
      replace: 'const continuedBy = await Promise.resolve(user === "" ? user : undefined);',
    }],
    seenBy: ["erased-users"],
    scenario: "erasing-hosts-die",
  },
  {
    name: "late-appends-not-waited-for",
    edits: [{
      file: "gateway/erasure/following.ts",
      find: "const { appendMaxMs = 0 } = eventLog;",
      replace: "const appendMaxMs = Math.min(0, eventLog.appendMaxMs ?? 0);",
    }],
    seenBy: ["erased-users"],
    scenario: "erasures-and-late-appends",
  },
  {
    name: "pass-by-the-wall-clock",
    edits: [{
      file: "gateway/erasure/following.ts",
      find: "passesAgainFromMs: parts.clock.monotonicMs() +",
      replace: "passesAgainFromMs: parts.clock.nowMs() +",
    }, {
      file: "gateway/erasure/erasure_steps.ts",
      find: "clock.monotonicMs() >= following.passesAgainFromMs",
      replace: "clock.nowMs() >= following.passesAgainFromMs",
    }],
    seenBy: ["erased-users"],
    scenario: "erasures-while-clocks-step",
  },
  {
    name: "early-unmatched",
    edits: [{
      file: "actors/joiner/join_window.ts",
      find: "    this.#early.hold(record);\n",
      replace: "",
    }],
    seenBy: ["early-actions"],
    scenario: "overtaken-rankings",
  },
  {
    // The acceptance times of a ranking and of its actions are of two hosts.
    name: "early-by-two-clocks",
    edits: [{
      file: "actors/joiner/early_actions.ts",
      find: "match({ rankingId }: ImpressionRecord, offset",
      replace: "match({ rankingId, acceptedAtMs }: ImpressionRecord, offset",
    }, {
      file: "actors/joiner/early_actions.ts",
      find: "=> each.rankingId === rankingId;",
      replace: "=> each.rankingId === rankingId &&\n      each.acceptedAtMs >= acceptedAtMs;",
    }],
    seenBy: ["early-actions"],
    scenario: "overtaken-rankings",
  },
  {
    name: "lose-joiner-state",
    edits: [{
      file: "actors/joiner/replay_point.ts",
      find: "oldestUndecided === undefined\n    ? { replayOffset",
      replace: "oldestUndecided === undefined || true\n    ? { replayOffset",
    }],
    seenBy: ["joined-examples"],
    scenario: "power-failures",
  },
  {
    name: "chunks-ungathered",
    edits: [{
      file: "actors/joiner/example_partition.ts",
      find: "return this.#takenBefore < this.#rowsBefore;",
      replace: "return this.#takenBefore < 0;",
    }],
    seenBy: ["joined-examples"],
    scenario: "slow-threads",
  },
  {
    name: "taken-untold",
    edits: [{
      file: "actors/trainer/learning.ts",
      find: 'this.#parts.joiners.tell(drained.partition, { kind: "chunksTaken", ...drained });',
      replace: "void drained;",
    }],
    seenBy: ["joined-examples", "prompt-freshness"],
    scenario: "quiet",
  },
  {
    name: "partition-twice",
    edits: [{
      file: "actors/joiner/example_partition.ts",
      find: "if (isClosed || moment.eventOffset < start.eventOffset) return undefined;",
      replace: "if (isClosed) return undefined;",
    }],
    seenBy: ["joined-examples", "example-chunks"],
    scenario: "power-failures",
  },
  {
    name: "idle-unmarked",
    edits: [{
      file: "gateway/mark_writer.ts",
      find: "    if (dueAtMs === Infinity) return;\n",
      replace: "    if (dueAtMs > 0) return;\n",
    }],
    seenBy: ["liveness"],
    scenario: "several-partitions",
  },
  {
    name: "forget-written",
    edits: [{
      file: "actors/joiner/finished_chunks.ts",
      find: '    await this.#log.append(this.#partition, this.#waiting, "durable", this.#fence);',
      replace:
        '    const chunksNow = this.#waiting;\n    this.#waiting = [];\n    await this.#log.append(this.#partition, chunksNow, "durable", this.#fence);',
    }],
    seenBy: ["joined-examples", "example-chunks"],
    scenario: "full-disk",
  },
  {
    name: "sampling-by-arrival",
    edits: [{
      file: "actors/joiner/negative_sampling.ts",
      find: "return mix(key + Math.imul(row, GOLDEN_RATIO)) < this.#threshold;",
      replace: "void key;\n    void row;\n    const self = this as unknown as { n?: number };\n" +
        "    self.n = (self.n ?? 0) + 1;\n    return mix(self.n) < this.#threshold;",
    }],
    seenBy: ["joined-examples"],
    scenario: "power-failures",
  },
  {
    name: "learn-from-unshown",
    edits: [{
      file: "actors/joiner/row_decisions.ts",
      find: "const onlyShown = impression.awaitsShown || actions?.isReported === true;",
      replace: "const onlyShown = actions?.isReported === true;",
    }],
    seenBy: ["shown-items"],
    scenario: "quiet",
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
    name: "keeper-woken-once",
    edits: [{
      file: "actors/feature_keeper/feature_keeper.ts",
      find: "    this.#soon = undefined;\n",
      replace: "",
    }],
    seenBy: ["liveness"],
    scenario: "quiet",
  },
];
