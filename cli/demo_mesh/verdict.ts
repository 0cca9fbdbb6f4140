/**
 * The verdict on a mesh under faults: each promise about correctness that the demo has seen broken.
 * Times are not among them, since they depend on the machine's other work.
 */
import { counted } from "../../structures/counted.ts";

/** The figures of a run that the verdict is about. */
export interface Outcome {
  /** Accepted clicks on rankings that are in the event log. */
  readonly accepted: number;
  readonly lost: number;
  readonly twice: number;
  /** Clicks that were refused for good. */
  readonly refused: number;
  /** Failed attempts at a ranking, outside of the second after a kill of that gateway. */
  readonly rankErrors: number;
  /** Shards that moved live in each step that moves some, by the step's name. */
  readonly movesOf: Readonly<Record<string, number>>;
  /** Hosts that were not back at the end. */
  readonly away: readonly string[];
}

/** The broken promises, a phrase each; empty where the mesh has kept all. */
export function brokenPromises(outcome: Outcome): string[] {
  const { accepted, lost, twice, refused, rankErrors, movesOf, away } = outcome;
  return [
    ...(accepted === 0 ? ["no click was accepted"] : []),
    ...(lost > 0 ? [`${counted(lost, "accepted click")} never became an example`] : []),
    ...(twice > 0 ? [`${counted(twice, "click")} became a second example`] : []),
    ...(refused > 0 ? [`${counted(refused, "click")} found no gateway that knew the ranking`] : []),
    ...(rankErrors > 0
      ? [
        `${counted(rankErrors, "attempt")} at a ranking failed, outside of the second after a ` +
        "kill of the gateway",
      ]
      : []),
    ...Object.entries(movesOf).filter(([, moves]) => moves === 0)
      .map(([step]) => `no shard moved live at the step "${step}"`),
    ...away.map((host) => `host ${host} did not come back`),
  ];
}
