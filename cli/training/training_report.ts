/**
 * The page of `cairn train --report`.
 */
import { lineChart } from "../report/line_chart.ts";
import { renderReport } from "../report/page.ts";
import type { NamedResult } from "./train_command.ts";

/** One self-contained HTML page. */
export function trainingReport(path: string, results: readonly NamedResult[]): string {
  return renderReport({
    title: `Training on ${path.split("/").at(-1)}`,
    subtitle: `${results[0].result.examples.toLocaleString("en")} examples`,
    figures: results.flatMap(({ model, result }) => [
      { label: `${model}: progressive AUC`, value: result.progressive.auc.toFixed(4) },
      ...(result.evaluation === undefined ? [] : [
        { label: `${model}: evaluation AUC`, value: result.evaluation.auc.toFixed(4) },
        { label: `${model}: evaluation logloss`, value: result.evaluation.logloss.toFixed(4) },
      ]),
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
