/**
 * AUC over a moving window of examples, for charts.
 */
import { exactAuc } from "./auc.ts";

const CURVE_POINTS = 60;

/**
 * AUC over a moving window of a twentieth of all examples (at least 500).
 *
 * @returns [examples so far, AUC], ascending.
 */
export function movingAuc(scores: Float64Array, labels: Float64Array): [number, number][] {
  const window = Math.max(500, Math.ceil(scores.length / 20));
  const points: [number, number][] = [];
  for (let point = 1; point <= CURVE_POINTS; point++) {
    const to = Math.round(scores.length * point / CURVE_POINTS);
    const from = Math.max(0, to - window);
    if (to - from < Math.min(200, scores.length)) continue;
    points.push([to, exactAuc(scores.subarray(from, to), labels.subarray(from, to))]);
  }
  return points;
}
