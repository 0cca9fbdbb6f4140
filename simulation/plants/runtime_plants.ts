/**
 * Bugs to plant of the actors' runtime.
 */
import type { Plant } from "./plant.ts";

const cell = "mesh/runtime/actor_cell.ts";

/** See {@link Plant}. */
export const runtimePlants: readonly Plant[] = [
  {
    name: "stale-epoch-write",
    edits: [{
      file: "actors/embedding_shard/sources.ts",
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
    name: "zombie-schedule",
    edits: [{
      file: cell,
      find: "      if (context !== this.#context) return;\n      this.#mailbox.force",
      replace: "      this.#mailbox.force",
    }, {
      file: cell,
      find: "if (mail instanceof Reminder && mail.context !== this.#context) continue;",
      replace: "",
    }, {
      file: cell,
      find: 'this.state = "restarting";\n    this.#timers.cancelAll();',
      replace: 'this.state = "restarting";',
    }, {
      file: cell,
      find: 'if (this.state !== "restarting") return;\n    this.#timers.cancelAll();',
      replace: 'if (this.state !== "restarting") return;',
    }],
    seenBy: ["own-timers", "held-invariants"],
    scenario: "interrupts",
  },
  {
    name: "no-backpressure-bound",
    edits: [{
      file: "mesh/runtime/mailbox.ts",
      find:
        'if (overflow === "backpressure" && mail instanceof Ask && this.#waiting.length < capacity) {',
      replace: 'if (overflow === "backpressure" && mail instanceof Ask) {',
    }],
    seenBy: ["bounded"],
    scenario: "narrow-shards",
  },
];
