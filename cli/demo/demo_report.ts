/**
 * The page of `cairn demo --report`.
 */
import { counted } from "../../structures/counted.ts";
import { movingAuc } from "../../offline/evaluation/moving_auc.ts";
import { histogramChart } from "../report/histogram_chart.ts";
import { lineChart } from "../report/line_chart.ts";
import { renderReport } from "../report/page.ts";
import { machineNote, typedCommand } from "../report/provenance.ts";
import type { DemoFlags } from "./command.ts";
import type { DemoSummary } from "./demo.ts";
import type { Visits } from "./visits.ts";

/** One self-contained HTML page. */
export function demoReport(
  flags: DemoFlags,
  summary: DemoSummary,
  visits: Visits,
  windowSeconds: number,
): string {
  const percent = (points: readonly (readonly [number, number])[]) =>
    points.map(([x, y]) => [x, 100 * y] as const);
  return renderReport({
    title: "A minute with Cairn",
    subtitle:
      `${
        summary.visits.toLocaleString("en")
      } visits of a simulated audience, whose tastes changed ` +
      `${summary.tasteChanges} times meanwhile`,
    figures: [
      {
        label: "click-through as ranked",
        value: `${(100 * summary.rankedClickThrough).toFixed(1)}%`,
      },
      {
        label: "click-through, random order",
        value: `${(100 * summary.randomClickThrough).toFixed(1)}%`,
      },
      { label: "times as many clicks", value: summary.uplift.toFixed(2) },
      { label: "AUC, last third", value: summary.aucLastThird.toFixed(3) },
      { label: "freshness p99", value: `${Math.round(summary.freshnessMsP99)} ms` },
      {
        label: "examples a second",
        value: Math.round(summary.examplesPerSecond).toLocaleString("en"),
      },
    ],
    notes: [conclusionOf(summary)],
    sections: [
      {
        title: "Click-through",
        note:
          `Clicks per product shown, over the last ${windowSeconds} seconds. One visit in five sees a random order.`,
        chart: lineChart([
          { name: "as ranked", points: percent(visits.ranked.curve(windowSeconds)) },
          { name: "random order", points: percent(visits.control.curve(windowSeconds)) },
        ], { xLabel: "seconds", yLabel: "clicks per 100 shown" }),
      },
      {
        title: "AUC of the scores as served",
        note: "Over a moving window of what was shown; each score was given before its outcome.",
        chart: lineChart([
          { name: "as served", points: movingAuc(visits.scores.values(), visits.clicked.values()) },
        ], { xLabel: "products shown", yLabel: "AUC" }),
      },
      {
        title: "Freshness",
        note: "From posting a click to the first answer whose scores had learned from it.",
        chart: histogramChart(visits.freshness.samples.sorted(), {
          xLabel: "milliseconds",
          series: 4,
        }),
      },
    ],
    footnotes: [typedCommand("demo", flags), machineNote()],
  });
}

function conclusionOf(summary: DemoSummary): string {
  const { uplift, standardErrors, aucFirstThird, aucLastThird, examples } = summary;
  return `In the last third the audience clicked ${
    uplift.toFixed(2)
  } times as often on the ranked ` +
    `order as on a random one, a difference of ${standardErrors.toFixed(1)} standard errors. The ` +
    `AUC went from ${aucFirstThird.toFixed(3)} in the first third to ${aucLastThird.toFixed(3)} ` +
    `in the last, on ${counted(examples, "example")}.`;
}
