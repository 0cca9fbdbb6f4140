/**
 * The page of `cairn replay --report`: figures against their targets, how quality grew, and how
 * long things took.
 */
import { basename } from "node:path";
import type { ReplayFlags } from "./command.ts";
import { histogramChart } from "../report/histogram_chart.ts";
import { lineChart } from "../report/line_chart.ts";
import { type Figure, renderReport } from "../report/page.ts";
import { machineNote, typedCommand } from "../report/provenance.ts";
import { movingAuc } from "../../offline/evaluation/moving_auc.ts";
import type { ReplayFigures } from "./figures.ts";
import type { ReplayMeasurements } from "./replay_client.ts";

/** The result of a replay. */
export interface ReplayOutcome {
  readonly figures: ReplayFigures;
  readonly measured: ReplayMeasurements;
  /** Sentences about the figures. */
  readonly notes: readonly string[];
}

/** One self-contained HTML page. */
export function replayReport(
  flags: ReplayFlags,
  { figures, measured, notes }: ReplayOutcome,
): string {
  const sorted = (values: Float64Array) => values.slice().sort();
  return renderReport({
    title: `Replay of ${basename(flags.path)}`,
    subtitle:
      `${figures.examples.toLocaleString("en")} interactions in time order through the HTTP API, ` +
      `${flags.inFlight} pairs in flight, ${measured.seconds.toFixed(1)} s`,
    figures: figureCards(figures),
    notes,
    sections: [
      {
        title: "Quality while learning",
        note:
          "AUC over a moving window of the scores that the gateway answered, each given before its outcome.",
        chart: lineChart([
          { name: "as served", points: movingAuc(measured.scores, measured.labels) },
        ], {
          xLabel: "interactions",
          yLabel: "AUC",
          reference: { y: 0.5, label: "chance" },
        }),
      },
      {
        title: "Rank latency",
        note: "From sending a rank request to having its answer, at the client.",
        chart: histogramChart(sorted(measured.rankMs), { xLabel: "milliseconds", series: 3 }),
      },
      {
        title: "Freshness",
        note: "From posting an event to the first answer whose scores had learned from it.",
        chart: histogramChart(sorted(measured.freshnessMs), { xLabel: "milliseconds", series: 4 }),
      },
    ],
    footnotes: [
      typedCommand("replay", flags),
      machineNote(),
      "AUC: the share of (positive, negative) pairs in the right order; 0.5 is chance. Calibration: the mean " +
      "prediction divided by the mean label; 1 is right on average. The first 20 % only warm up.",
    ],
  });
}

function figureCards(figures: ReplayFigures): Figure[] {
  const show = (value: number | null, digits = 4) =>
    value?.toLocaleString("en", { maximumSignificantDigits: digits }) ?? "–";
  return [
    { label: "interactions", value: figures.examples.toLocaleString("en") },
    { label: "AUC as served", value: show(figures.servedAuc) },
    { label: "AUC in the trainer", value: show(figures.trainerAuc) },
    { label: "calibration as served", value: show(figures.servedCalibration) },
    ...Object.entries(figures.tasks ?? {}).slice(1).map(([task, its]) =>
      "auc" in its
        ? { label: `AUC of ${task} in the trainer`, value: show(its.auc) }
        : { label: `squared error of ${task}`, value: show(its.meanSquaredError) }
    ),
    { label: "pairs a second", value: show(figures.requestsPerSecond) },
    {
      label: "rank latency p50 / p99, ms",
      value: `${show(figures.rankMsP50, 3)} / ${show(figures.rankMsP99, 3)}`,
    },
    {
      label: "freshness p50 / p99, ms",
      value: `${show(figures.freshnessMsP50, 3)} / ${show(figures.freshnessMsP99, 3)}`,
      target: "p99 ≤ 1,000 ms",
      reached: (figures.freshnessMsP99 ?? Infinity) <= 1000,
    },
    { label: "unmatched events", value: show(figures.unmatched) },
    {
      label: "lost events",
      value: show(figures.lost),
      target: "0",
      reached: figures.lost === 0,
    },
  ];
}
