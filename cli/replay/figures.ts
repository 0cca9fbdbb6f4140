/**
 * The replay's figures: what the client measured and what the mesh counted, in the keys of its last line.
 */
import type { JoinerStatus } from "../../actors/joiner/protocol.ts";
import { areaUnderCurve, since } from "../../actors/trainer/progressive_validation.ts";
import type { ScoreHistograms, TrainerStatus } from "../../actors/trainer/protocol.ts";
import { exactAuc } from "../evaluation/auc.ts";
import { percentile } from "../load/samples.ts";
import type { ReplayMeasurements } from "./replay_client.ts";

/** What the mesh counted from before the first pair to after the last. */
export interface MeshCounts {
  readonly before: { readonly joiner: JoinerStatus; readonly trainer: TrainerStatus };
  readonly after: { readonly joiner: JoinerStatus; readonly trainer: TrainerStatus };
  /** The trainer's scores at about 20 % of the examples, and at the end. */
  readonly warmedUp: ScoreHistograms;
  readonly trained: ScoreHistograms;
}

/** The last line of `--json`. A figure that could not be had is null. */
export interface ReplayFigures {
  readonly examples: number;
  readonly servedAuc: number | null;
  readonly trainerAuc: number | null;
  readonly freshnessMsP50: number | null;
  readonly freshnessMsP99: number | null;
  readonly requestsPerSecond: number;
  readonly rankMsP50: number | null;
  readonly rankMsP99: number | null;
  readonly unmatched: number | null;
  readonly lost: number | null;
}

/** Share of the examples that only warms up. */
export const warmUpShare = 0.2;

/** @param counts Undefined where the mesh runs elsewhere and cannot be asked. */
export function replayFigures(
  measured: ReplayMeasurements,
  counts: MeshCounts | undefined,
): ReplayFigures {
  const from = Math.floor(measured.scores.length * warmUpShare);
  const rankMs = measured.rankMs.slice().sort();
  const freshnessMs = measured.freshnessMs.slice().sort();
  return {
    examples: measured.scores.length,
    servedAuc: finite(exactAuc(measured.scores.subarray(from), measured.labels.subarray(from)), 5),
    trainerAuc: counts === undefined
      ? null
      : finite(areaUnderCurve(since(counts.warmedUp, counts.trained)), 5),
    freshnessMsP50: finite(percentile(freshnessMs, 0.5), 1),
    freshnessMsP99: finite(percentile(freshnessMs, 0.99), 1),
    requestsPerSecond: Math.round(measured.pairs / measured.seconds),
    rankMsP50: finite(percentile(rankMs, 0.5), 2),
    rankMsP99: finite(percentile(rankMs, 0.99), 2),
    unmatched: counts === undefined ? null : unmatchedEvents(counts),
    lost: counts === undefined ? null : lostEvents(measured.accepted, counts),
  };
}

/** Events that met no open impression: none was ever seen, or its window was over. */
export function unmatchedEvents({ before, after }: MeshCounts): number {
  const of = ({ actionsUnmatched, actionsLate }: JoinerStatus) => actionsUnmatched + actionsLate;
  return of(after.joiner) - of(before.joiner);
}

/**
 * Accepted events of which nobody can say what became of them: the joiner never judged them, or the example that
 * they decided was never trained on.
 */
export function lostEvents(accepted: number, { before, after }: MeshCounts): number {
  const judged = (status: JoinerStatus) =>
    status.actionsMatched + status.actionsIgnored + status.actionsUnmatched + status.actionsLate +
    status.actionsDuplicate + status.actionsExcess;
  const neverJudged = accepted - (judged(after.joiner) - judged(before.joiner));
  const emitted = after.joiner.examplesEmitted - before.joiner.examplesEmitted;
  const trained = after.trainer.examples - before.trainer.examples;
  return Math.max(0, neverJudged) + Math.max(0, emitted - trained);
}

function finite(value: number, digits: number): number | null {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : null;
}
