/**
 * The page of `cairn train --report`.
 */
import { basename } from "node:path";
import { counted } from "../../structures/counted.ts";
import type { Quality } from "../../offline/evaluation/task_scores.ts";
import { dataTable } from "../report/data_table.ts";
import { lineChart } from "../report/line_chart.ts";
import { renderReport } from "../report/page.ts";
import { machineNote, typedCommand } from "../report/provenance.ts";
import type { TrainFlags } from "./command.ts";
import { conclusionOf, type NamedResult } from "./results.ts";

/** One self-contained HTML page. */
export function trainingReport(flags: TrainFlags, results: readonly NamedResult[]): string {
  const conclusion = conclusionOf(results);
  const [first] = results[0].result.progressive;
  const isValue = !Number.isNaN(first.meanSquaredError);
  return renderReport({
    title: `Training on ${basename(flags.path)}`,
    subtitle: counted(results[0].result.examples, "example"),
    figures: results.map(({ model, result }) => ({
      label: `${model}: examples a second`,
      value: Math.round(result.examplesPerSecond).toLocaleString("en"),
    })),
    ...(conclusion === undefined ? {} : { notes: [conclusion] }),
    sections: [
      {
        title: "Quality",
        note: "Progressive: each batch is scored before it is learned from (last 80 % of the " +
          "first epoch). Evaluation: examples that were held back.",
        chart: dataTable(
          ["model, task", "scored", "examples", "mean label", "AUC", "loss", "calibration"],
          results.flatMap(qualityRows),
        ),
      },
      {
        title: "Quality while learning",
        note: isValue
          ? `The first task, ${first.task}, predicts a value, which has no AUC.`
          : `AUC of the task ${first.task} over a moving window; each batch is scored before it ` +
            "is learned from.",
        chart: lineChart(
          results.map(({ model, result }) => ({ name: model, points: result.curve })),
          { xLabel: "examples", yLabel: "AUC", reference: { y: 0.5, label: "chance" } },
        ),
      },
    ],
    footnotes: [
      ...results.map(({ model, result }) =>
        `${model}: ${counted(result.epochs.length, "epoch")}` +
        (result.epochs.length === 1 ? "" : ` (the best is epoch ${result.bestEpoch})`) +
        `, ${counted(result.rows, "embedding row")}, ${result.seconds.toFixed(1)} s.`
      ),
      "AUC: the share of (positive, negative) pairs in the right order; 0.5 is chance. Loss: " +
      "logloss, or the squared error of a value. Calibration: mean prediction divided by the mean " +
      "label; 1 is right on average.",
      typedCommand("train", flags),
      machineNote(),
    ],
  });
}

/** A row for each task and way of scoring. */
function qualityRows({ model, result: { progressive, evaluation } }: NamedResult): string[][] {
  return progressive.flatMap((quality, i) => {
    const name = `${model}, ${quality.task}`;
    const held = evaluation?.[i];
    return [
      [name, "progressive", ...cells(quality)],
      ...(held === undefined ? [] : [[name, "evaluation", ...cells(held)]]),
    ];
  });
}

function cells(quality: Quality): string[] {
  const { examples, labelMean, auc, logloss, meanSquaredError, calibration } = quality;
  const isValue = !Number.isNaN(meanSquaredError);
  const shown = (value: number, digits: number) =>
    Number.isFinite(value) ? value.toFixed(digits) : "–";
  return [
    examples.toLocaleString("en"),
    shown(labelMean, 4),
    shown(auc, 4),
    shown(isValue ? meanSquaredError : logloss, 4),
    shown(calibration, 3),
  ];
}
