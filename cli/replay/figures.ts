/**
 * The replay's figures, from the client's measurements and the mesh's counters; the keys of the
 * last line of output.
 */
import type { JoinedCounts } from "../../server/joiners.ts";
import { exactAuc } from "../../offline/evaluation/auc.ts";
import { percentile } from "../../offline/evaluation/samples.ts";
import type { TrainersStatus } from "../../server/trainers.ts";
import {
  finite,
  type TaskFigures,
  taskFigures,
  type TrainerScores,
  WARM_UP_SHARE,
} from "../load/task_figures.ts";
import type { ReplayMeasurements } from "./replay_client.ts";

/** A mesh's counters since its start. */
export interface MeshOutcomes {
  /** Actions that the joiner judged. */
  readonly judged: number;
  /** Judged actions without an open impression: it was never logged, or its window had closed. */
  readonly unmatched: number;
  /** Examples that the joiner emitted, and those that the trainers trained on. */
  readonly emitted: number;
  readonly trained: number;
  /** Rankings whose windows are open. */
  readonly open: number;
}

/** From before the first pair to after the last. */
export interface MeshCounts {
  readonly before: MeshOutcomes;
  readonly after: MeshOutcomes;
}

/** The outcomes of a mesh in this process. */
export function outcomesOf(joiner: JoinedCounts, trainers: TrainersStatus): MeshOutcomes {
  return {
    ...judgedActions((outcome) => joiner[outcome]),
    emitted: joiner.examplesEmitted,
    trained: trainers.examples,
    open: joiner.impressionsOpen,
  };
}

/** The same from `/metrics` of a mesh elsewhere. */
export function outcomesFromMetrics(text: string): MeshOutcomes {
  const read = (metric: string) => {
    const lines = text.matchAll(new RegExp(`^${metric} (\\S+)$`, "gm"));
    return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
  };
  const joined = (outcome: string) => read(`cairn_joiner_outcomes_total\\{outcome="${outcome}"\\}`);
  return {
    ...judgedActions(joined),
    emitted: joined("examplesEmitted"),
    trained: read("cairn_trainer_examples_total\\{.*\\}"), // of all trainers
    open: read("cairn_joiner_impressions_open\\{.*\\}"),
  };
}

/** @param count Actions with an outcome. */
function judgedActions(
  count: (outcome: keyof JoinedCounts) => number,
): Pick<MeshOutcomes, "judged" | "unmatched"> {
  // An early action is counted as unmatched, and judged when its ranking comes.
  const unmatched = count("actionsUnmatched") + count("actionsLate") - count("actionsEarly");
  const judged = unmatched + count("actionsMatched") + count("actionsLearnedLate") +
    count("actionsIgnored") + count("actionsDuplicate") + count("actionsExcess");
  return { judged, unmatched };
}

/** The last line of `--json`. A figure that could not be had is null. */
export interface ReplayFigures {
  readonly examples: number;
  readonly servedAuc: number | null;
  /** Mean score in the answers divided by the mean label; null without a positive label. */
  readonly servedCalibration: number | null;
  /** AUC of the first task. */
  readonly trainerAuc: number | null;
  /** Each task's, in the trainer; null where the mesh runs elsewhere. */
  readonly tasks: Readonly<Record<string, TaskFigures>> | null;
  readonly freshnessMsP50: number | null;
  readonly freshnessMsP99: number | null;
  readonly requestsPerSecond: number;
  readonly rankMsP50: number | null;
  readonly rankMsP99: number | null;
  readonly unmatched: number;
  readonly lost: number;
}

/** @param scores Undefined where the mesh runs elsewhere and its trainer cannot be asked. */
export function replayFigures(
  measured: ReplayMeasurements,
  counts: MeshCounts,
  scores: TrainerScores | undefined,
): ReplayFigures {
  const from = Math.floor(measured.scores.length * WARM_UP_SHARE);
  const [served, labels] = [measured.scores.subarray(from), measured.labels.subarray(from)];
  const rankMs = measured.rankMs.slice().sort();
  const freshnessMs = measured.freshnessMs.slice().sort();
  const tasks = scores === undefined ? null : taskFigures(scores);
  const [first] = Object.values(tasks ?? {});
  return {
    examples: measured.scores.length,
    servedAuc: finite(exactAuc(served, labels), 5),
    servedCalibration: finite(sumOf(served) / sumOf(labels), 5),
    trainerAuc: first !== undefined && "auc" in first ? first.auc : null,
    tasks,
    freshnessMsP50: finite(percentile(freshnessMs, 0.5), 1),
    freshnessMsP99: finite(percentile(freshnessMs, 0.99), 1),
    requestsPerSecond: Math.round(measured.pairs / measured.seconds),
    rankMsP50: finite(percentile(rankMs, 0.5), 2),
    rankMsP99: finite(percentile(rankMs, 0.99), 2),
    unmatched: counts.after.unmatched - counts.before.unmatched,
    lost: lostEvents(measured.accepted, counts),
  };
}

/**
 * Accepted events that were lost: the joiner never judged them, or the example that they decided
 * was never trained on.
 */
export function lostEvents(accepted: number, { before, after }: MeshCounts): number {
  const neverJudged = accepted - (after.judged - before.judged);
  const neverTrained = (after.emitted - before.emitted) - (after.trained - before.trained);
  return Math.max(0, neverJudged) + Math.max(0, neverTrained);
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** A figure a line; those of a task as `tasks.liked.auc`. */
export function describeFigures(figures: ReplayFigures): string {
  const { tasks, ...others } = figures;
  const ofTasks = Object.entries(tasks ?? {}).flatMap(([task, its]) =>
    Object.entries(its).map(([name, value]) => [`tasks.${task}.${name}`, value] as const)
  );
  const all = [...Object.entries(others), ...ofTasks];
  const width = Math.max(...all.map(([name]) => name.length));
  return all.map(([name, value]) => `${name.padEnd(width)} ${value ?? "unknown"}\n`).join("");
}
