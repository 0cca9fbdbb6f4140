/**
 * The page of `cairn train --report`.
 */
import { lineChart } from "../report/line_chart.ts";
import type { Quality } from "../../offline/evaluation/task_scores.ts";
import { type Figure, renderReport } from "../report/page.ts";
import type { NamedResult } from "./results.ts";

/** One self-contained HTML page. */
export function trainingReport(path: string, results: readonly NamedResult[]): string {
  return renderReport({
    title: `Training on ${path.split("/").at(-1)}`,
    subtitle: `${results[0].result.examples.toLocaleString("en")} examples`,
    figures: results.flatMap(({ model, result }) => [
      ...result.progressive.flatMap((quality, i) => {
        const name = result.progressive.length === 1 ? model : `${model}, ${quality.task}`;
        return [
          ...cards(`${name}: progressive`, quality),
          ...(result.evaluation === undefined
            ? []
            : cards(`${name}: evaluation`, result.evaluation[i])),
        ];
      }),
      {
        label: `${model}: examples a second`,
        value: Math.round(result.examplesPerSecond).toLocaleString("en"),
      },
    ]),
    sections: [{
      title: "Quality while learning",
      note: "AUC over a moving window; each batch is scored before it is learned from.",
      chart: lineChart(
        results.map(({ model, result }) => ({ name: model, points: result.curve })),
        { xLabel: "examples", yLabel: "AUC" },
      ),
    }],
    footnotes: results.map(({ model, result }) =>
      `${model}: ${result.epochs.length} epochs, best ${result.bestEpoch}, ` +
      `${result.rows.toLocaleString("en")} embedding rows, ${result.seconds.toFixed(1)} s`
    ),
  });
}

function cards(
  name: string,
  { auc, logloss, meanSquaredError, calibration }: Quality,
): Figure[] {
  const measures = Number.isNaN(meanSquaredError)
    ? [
      { label: `${name} AUC`, value: auc.toFixed(4) },
      { label: `${name} logloss`, value: logloss.toFixed(4) },
    ]
    : [{ label: `${name} squared error`, value: meanSquaredError.toFixed(4) }];
  return [...measures, { label: `${name} calibration`, value: calibration.toFixed(3) }];
}
