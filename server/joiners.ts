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
  | "actionsLearnedLate"
  | "actionsMatched"
  | "actionsUnmatched"
  | "examplesEmitted"
  | "examplesWaiting"
  | "impressionsOpen"
>;

export interface JoinersStatus extends JoinedCounts {
  /** Next offset by partition of the event log. */
  readonly offsets: ReadonlyMap<number, number>;
  /** The latest of the joiners' data clocks, ms. */
  readonly dataClockMs: number;
}

/** A joiner and the partition of the event log that it reads. */
export interface JoinerOf {
  readonly partition: number;
  readonly actor: ActorRef<JoinerMessage>;
}

export class Joiners {
  readonly #actors: () => readonly JoinerOf[];

  /** @param actors The present joiners, ascending by partition. */
  constructor(actors: () => readonly JoinerOf[]) {
    this.#actors = actors;
  }

  get all(): readonly ActorRef<JoinerMessage>[] {
    return this.#actors().map(({ actor }) => actor);
  }

  async status(budgetMs = ASK_BUDGET_MS): Promise<JoinersStatus> {
    const actors = this.#actors();
    const each = await Promise.all(
      actors.map(({ actor }) => actor.ask({ kind: "getStatus" }, { budgetMs })),
    );
    const sum = (count: keyof JoinedCounts) => each.reduce((total, one) => total + one[count], 0);
    return {
      actionsDuplicate: sum("actionsDuplicate"),
      actionsEarly: sum("actionsEarly"),
      actionsExcess: sum("actionsExcess"),
      actionsIgnored: sum("actionsIgnored"),
      actionsLate: sum("actionsLate"),
      actionsLearnedLate: sum("actionsLearnedLate"),
      actionsMatched: sum("actionsMatched"),
      actionsUnmatched: sum("actionsUnmatched"),
      examplesEmitted: sum("examplesEmitted"),
      examplesWaiting: sum("examplesWaiting"),
      impressionsOpen: sum("impressionsOpen"),
      offsets: new Map(each.map(({ offset }, i) => [actors[i].partition, offset])),
      dataClockMs: Math.max(...each.map((status) => status.dataClockMs)),
    };
  }
}

/** Records that are not read yet, over all partitions. */
export function behind(
  ends: readonly number[],
  offsets: ReadonlyMap<number, number>,
): number {
  return ends.reduce((sum, end, partition) => {
    return sum + Math.max(0, end - (offsets.get(partition) ?? end));
  }, 0);
}
