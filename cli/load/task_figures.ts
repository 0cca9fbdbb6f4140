/**
 * How well each task was predicted before it was learned, as figures of a report.
 */
import {
  areaUnderCurve,
  calibrationOf,
  since,
} from "../../actors/trainer/progressive_validation.ts";
import type { ProgressiveValidation, ScoreHistograms } from "../../actors/trainer/protocol.ts";

/** Share of the examples that only warms up. */
export const WARM_UP_SHARE = 0.2;

/** The trainer's scores at about {@link WARM_UP_SHARE} of the examples, and at the end. */
export interface TrainerScores {
  readonly warmedUp: ProgressiveValidation["trained"];
  readonly trained: ProgressiveValidation["trained"];
}

/**
 * How well a task was predicted before it was learned: as a label, or as a value. The calibration
 * is the mean prediction divided by the mean label.
 */
export type TaskFigures =
  & (
    | { readonly auc: number | null; readonly logloss: number | null }
    | { readonly meanSquaredError: number | null }
  )
  & { readonly calibration: number | null };

/** The figures of each task over the examples after the warm-up. */
export function taskFigures({ warmedUp, trained }: TrainerScores): Record<string, TaskFigures> {
  return Object.fromEntries(
    Object.entries(trained).map((
      [task, scores],
    ) => [task, figuresOf(since(warmedUp[task], scores))]),
  );
}

function figuresOf(scores: ScoreHistograms): TaskFigures {
  const loss = finite(scores.lossSum / scores.weights, 5);
  const calibration = finite(calibrationOf(scores), 5);
  return scores.negatives.length === 0
    ? { meanSquaredError: loss, calibration }
    : { auc: finite(areaUnderCurve(scores), 5), logloss: loss, calibration };
}

/** The value rounded; null where it is not finite. */
export function finite(value: number, digits: number): number | null {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : null;
}
