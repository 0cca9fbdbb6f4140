/**
 * The joiners of a mesh, with their answers combined.
 */
import type { JoinerMessage, JoinerStatus } from "../actors/joiner/protocol.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";

const ASK_BUDGET_MS = 30_000;

/** Counts of all joiners together. */
export type JoinedCounts = Pick<
  JoinerStatus,
  | "actionsDuplicate"
  | "actionsEarly"
  | "actionsExcess"
  | "actionsIgnored"
  | "actionsLate"
  | "actionsMatched"
  | "actionsUnmatched"
  | "examplesEmitted"
  | "examplesWaiting"
  | "impressionsOpen"
>;

export interface JoinersStatus extends JoinedCounts {
  /** Next offset of each partition of the event log. */
  readonly offsets: readonly number[];
  /** The latest of the joiners' data clocks, ms. */
  readonly dataClockMs: number;
}

export class Joiners {
  /** @param all The joiners, indexed by partition. */
  constructor(readonly all: readonly ActorRef<JoinerMessage>[]) {}

  async status(budgetMs = ASK_BUDGET_MS): Promise<JoinersStatus> {
    const each = await Promise.all(
      this.all.map((joiner) => joiner.ask({ kind: "getStatus" }, { budgetMs })),
    );
    const sum = (count: keyof JoinedCounts) => each.reduce((total, one) => total + one[count], 0);
    return {
      actionsDuplicate: sum("actionsDuplicate"),
      actionsEarly: sum("actionsEarly"),
      actionsExcess: sum("actionsExcess"),
      actionsIgnored: sum("actionsIgnored"),
      actionsLate: sum("actionsLate"),
      actionsMatched: sum("actionsMatched"),
      actionsUnmatched: sum("actionsUnmatched"),
      examplesEmitted: sum("examplesEmitted"),
      examplesWaiting: sum("examplesWaiting"),
      impressionsOpen: sum("impressionsOpen"),
      offsets: each.map(({ offset }) => offset),
      dataClockMs: Math.max(...each.map((status) => status.dataClockMs)),
    };
  }
}

/** Records that are not read yet, over all partitions. */
export function behind(ends: readonly number[], offsets: readonly number[]): number {
  return ends.reduce((sum, end, partition) => sum + Math.max(0, end - offsets[partition]), 0);
}
