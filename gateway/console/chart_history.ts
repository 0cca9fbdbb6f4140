/**
 * The last hour of every chart: one point per sample, the oldest overwritten.
 */
import { type Chart, type ChartPoint } from "./charts.ts";
import { present } from "../../structures/invariant.ts";
import type { MetricInterval } from "./metric_reading.ts";

/** Lines of one chart; further names are left out, so that labels cannot grow the memory. */
const LINES_MAX = 24;

/** One sample of all charts. */
export interface ChartSample {
  /** Wall time, ms. */
  readonly atMs: number;
  /** Points by the chart's id. */
  readonly points: Readonly<Record<string, ChartPoint>>;
}

/** All samples of the history, oldest first; null where a line has no value. */
export interface ChartSeries {
  readonly timesMs: readonly number[];
  /** Values by the chart's id and the line's name, as long as `timesMs`. */
  readonly charts: Readonly<Record<string, Readonly<Record<string, readonly (number | null)[]>>>>;
}

export class ChartHistory {
  readonly #charts: readonly Chart[];
  readonly #capacity: number;
  readonly #timesMs: Float64Array;
  /** Values of each line by chart; NaN = none. A line begins when its name first appears. */
  readonly #lines: ReadonlyMap<string, Map<string, Float32Array>>;
  #samples = 0;

  /** @param capacity Samples held at most. */
  constructor(charts: readonly Chart[], capacity: number) {
    this.#charts = charts;
    this.#capacity = capacity;
    this.#timesMs = new Float64Array(capacity);
    this.#lines = new Map(charts.map(({ id }) => [id, new Map()]));
  }

  /** Adds the sample of an interval, taken at `atMs`. */
  add(atMs: number, interval: MetricInterval): ChartSample {
    const index = this.#samples % this.#capacity;
    this.#timesMs[index] = atMs;
    const points: Record<string, ChartPoint> = {};
    for (const chart of this.#charts) {
      const point = chart.point(interval);
      const lines = present(this.#lines.get(chart.id), "every chart has lines");
      for (const values of lines.values()) values[index] = NaN;
      for (const [name, value = NaN] of Object.entries(point)) {
        this.#line(lines, name)?.fill(value, index, index + 1);
      }
      points[chart.id] = point;
    }
    this.#samples++;
    return { atMs, points };
  }

  read(): ChartSeries {
    const length = Math.min(this.#samples, this.#capacity);
    const indices = Array.from(
      { length },
      (_, i) => (this.#samples - length + i) % this.#capacity,
    );
    return {
      timesMs: indices.map((index) => this.#timesMs[index]),
      charts: Object.fromEntries(
        [...this.#lines].map(([id, lines]) => [
          id,
          Object.fromEntries(
            [...lines].map(([name, values]) => [
              name,
              indices.map((index) => Number.isNaN(values[index]) ? null : values[index]),
            ]),
          ),
        ]),
      ),
    };
  }

  #line(lines: Map<string, Float32Array>, name: string): Float32Array | undefined {
    const line = lines.get(name);
    if (line !== undefined || lines.size >= LINES_MAX) return line;
    const made = new Float32Array(this.#capacity).fill(NaN);
    lines.set(name, made);
    return made;
  }
}
