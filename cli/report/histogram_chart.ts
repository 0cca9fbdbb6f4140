/**
 * A histogram of durations on a logarithmic axis, with the median and the 99th percentile marked.
 */
import { axes, BELOW_PLOT_PX } from "./axes.ts";
import { escapeHtml } from "../../structures/escape_html.ts";
import { linearScale, logScale, shortNumber } from "./scale.ts";

/** Label and colour of a histogram. */
export interface HistogramOptions {
  /** Includes the unit: `rank latency, ms`. */
  readonly xLabel: string;
  /** Number of the page's series colour, from 1. */
  readonly series: number;
}

const WIDTH = 760;
const HEIGHT = 240;
const plot = { left: 52, right: WIDTH - 16, top: 26, bottom: HEIGHT - BELOW_PLOT_PX };
const BINS_MAX = 60;

/** @param sorted Values ascending; those at or below 0 count into the first bin. */
export function histogramChart(sorted: Float64Array, options: HistogramOptions): string {
  if (sorted.length === 0) return `<p class="empty">Nothing to draw: no samples.</p>`;
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  const low = Math.max(1e-3, at(0.0005) * 0.9);
  const high = Math.max(low * 2, at(0.9995) * 1.1);
  const x = logScale([low, high], [plot.left, plot.right]);
  const bins = new Float64Array(BINS_MAX);
  for (const value of sorted) {
    const position = Math.log(Math.max(value, low) / low) / Math.log(high / low) * BINS_MAX;
    bins[Math.min(BINS_MAX - 1, Math.max(0, Math.floor(position)))]++;
  }
  const y = linearScale([0, Math.max(...bins)], [plot.bottom, plot.top], 4);
  const barWidth = (plot.right - plot.left) / BINS_MAX;
  const bars = Array.from(bins, (count, bin) => {
    if (count === 0) return "";
    const top = y.toPixels(count);
    const from = low * (high / low) ** (bin / BINS_MAX);
    const to = low * (high / low) ** ((bin + 1) / BINS_MAX);
    return `<rect class="bar" x="${(plot.left + bin * barWidth + 0.5).toFixed(1)}" y="${
      top.toFixed(1)
    }" width="${(barWidth - 1).toFixed(1)}" height="${
      (plot.bottom - top).toFixed(1)
    }" rx="1.5"><title>${shortNumber(from)} to ${shortNumber(to)}: ${count}</title></rect>`;
  });
  const marks = ([[0.5, "p50"], [0.99, "p99"]] as const).map(([share, name]) => {
    const line = x.toPixels(Math.min(high, Math.max(low, at(share))));
    // The median's name stands to the left of its line, so that the two never meet.
    const toLeft = share === 0.5 || line > plot.right - 90;
    return `<g class="mark"><line x1="${line.toFixed(1)}" x2="${line.toFixed(1)}" y1="${
      plot.top - 8
    }" y2="${plot.bottom}"/><text x="${(line + (toLeft ? -5 : 5)).toFixed(1)}" y="${
      plot.top - 10
    }" text-anchor="${toLeft ? "end" : "start"}">${name} ${shortNumber(at(share))}</text></g>`;
  });
  return `<svg class="series-${options.series}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${
    escapeHtml(`Histogram of ${options.xLabel}`)
  }">
${axes({ plot, x, y, yTicks: y.ticks.slice(1), xLabel: options.xLabel })}
${bars.join("\n")}
${marks.join("\n")}
</svg>`;
}
