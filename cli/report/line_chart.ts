/**
 * Curves over examples or time, as one inline SVG.
 */
import { axes, BELOW_PLOT_PX } from "./axes.ts";
import { escapeHtml } from "../../structures/escape_html.ts";
import { linearScale, shortNumber } from "./scale.ts";

/** One curve. */
export interface Series {
  readonly name: string;
  /** [x, y] by ascending x; points whose y is not finite are left out. */
  readonly points: readonly (readonly [number, number])[];
}

/** Labels and reference level of a chart. */
export interface LineChartOptions {
  readonly xLabel: string;
  readonly yLabel: string;
  /** A level to compare with, such as a target. */
  readonly reference?: { readonly y: number; readonly label: string };
}

const WIDTH = 760;
const HEIGHT = 320;
const plot = { left: 52, right: WIDTH - 16, top: 14, bottom: HEIGHT - BELOW_PLOT_PX };

/** Draws up to four series; colours are the page's `--series-N`. */
export function lineChart(series: readonly Series[], options: LineChartOptions): string {
  const drawn = series.map((one) => ({
    ...one,
    points: one.points.filter(([, y]) => Number.isFinite(y)),
  })).filter((one) => one.points.length > 0);
  if (drawn.length === 0) return `<p class="empty">Nothing to draw yet: no points.</p>`;
  const xs = drawn.flatMap((one) => one.points.map(([x]) => x));
  const ys = drawn.flatMap((one) => one.points.map(([, y]) => y));
  if (options.reference !== undefined) ys.push(options.reference.y);
  const pad = Math.max((Math.max(...ys) - Math.min(...ys)) * 0.08, 1e-6);
  const x = linearScale([Math.min(...xs), Math.max(...xs)], [plot.left, plot.right], 8);
  const y = linearScale([Math.min(...ys) - pad, Math.max(...ys) + pad], [plot.bottom, plot.top], 6);

  const curves = drawn.map((one, index) => {
    const path = one.points.map(([px, py], i) =>
      `${i === 0 ? "M" : "L"}${x.toPixels(px).toFixed(1)} ${y.toPixels(py).toFixed(1)}`
    ).join("");
    const [lastX, lastY] = one.points[one.points.length - 1];
    return `<g class="series-${index + 1}"><path class="curve" d="${path}"/>` +
      `<circle class="last" cx="${x.toPixels(lastX).toFixed(1)}" cy="${
        y.toPixels(lastY).toFixed(1)
      }" r="3.5"><title>${escapeHtml(one.name)}: ${shortNumber(lastY)}</title></circle></g>`;
  });
  const reference = options.reference === undefined
    ? ""
    : `<g class="reference"><line x1="${plot.left}" x2="${plot.right}" y1="${
      y.toPixels(options.reference.y).toFixed(1)
    }" y2="${y.toPixels(options.reference.y).toFixed(1)}"/><text x="${plot.right - 4}" y="${
      (y.toPixels(options.reference.y) - 6).toFixed(1)
    }" text-anchor="end">${escapeHtml(options.reference.label)}</text></g>`;
  const legend = drawn.map((one, index) =>
    `<li class="series-${index + 1}"><span class="swatch"></span>${escapeHtml(one.name)}</li>`
  );
  return `<ul class="legend">${legend.join("")}</ul>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${
    escapeHtml(`${options.yLabel} by ${options.xLabel}`)
  }">
${axes({ plot, x, y, yTicks: y.ticks, xLabel: options.xLabel })}
<text class="label" transform="translate(12 ${
    (plot.top + plot.bottom) / 2
  }) rotate(-90)" text-anchor="middle">${escapeHtml(options.yLabel)}</text>
${curves.join("\n")}
${reference}
</svg>`;
}
