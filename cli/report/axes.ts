/**
 * The background of every chart: grid lines with their numbers, the x axis and its label.
 */
import { escapeHtml } from "../../structures/escape_html.ts";
import { type Scale, shortNumber } from "./scale.ts";

/** The plot area of a chart, in pixels of its SVG. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Room below a plot for the numbers and the label of its x axis. */
export const BELOW_PLOT_PX = 44;

/** The scales of a chart, and their labels. */
export interface Axes {
  readonly plot: Plot;
  readonly x: Scale;
  readonly y: Scale;
  /** Ticks of the y axis that get a grid line. */
  readonly yTicks: readonly number[];
  readonly xLabel: string;
}

/** The axes as SVG. */
export function axes({ plot, x, y, yTicks, xLabel }: Axes): string {
  const { left, right, bottom } = plot;
  const grid = yTicks.map((tick) => {
    const at = y.toPixels(tick).toFixed(1);
    return `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" x="${left - 8}" y="${at}" dy="0.32em" text-anchor="end">${
        shortNumber(tick)
      }</text>`;
  });
  const below = x.ticks.map((tick) =>
    `<text class="tick" x="${x.toPixels(tick).toFixed(1)}" y="${bottom + 18}" ` +
    `text-anchor="middle">${shortNumber(tick)}</text>`
  );
  return `${grid.join("\n")}
${below.join("\n")}
<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>
<text class="label" x="${(left + right) / 2}" y="${
    bottom + BELOW_PLOT_PX - 6
  }" text-anchor="middle">${escapeHtml(xLabel)}</text>`;
}
