/** One chart, drawn by uPlot. */

import { element } from "./elements.js";
import { formats, formatTime } from "./format.js";

/** A script of the page defines it. */
const { uPlot } = globalThis;

const SERIES_COLORS = 6;

/** Distances between the marks of an axis of bytes: powers of two, whose labels are round. */
const BYTE_STEPS = Array.from({ length: 51 }, (_, exponent) => 2 ** exponent);

/** Least time that an axis covers, s: the first samples would have one label for all marks. */
const TIME_SPAN_MIN = 60;

/** The times of an axis, s, for points from `first` to `last`. */
export function timeRange(first, last) {
  return [Math.min(first, last - TIME_SPAN_MIN), last];
}

/** Indices of values without a neighbour, which a line does not show. */
export function lonePoints(values) {
  const isAbsent = (value) => value === null || value === undefined;
  return [...values.keys()].filter((i) =>
    !isAbsent(values[i]) && isAbsent(values[i - 1]) && isAbsent(values[i + 1])
  );
}

/** A canvas needs a colour that it can read: CSS resolves light-dark() on an element. */
function resolved(name) {
  const probe = element("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export class Chart {
  /** @param history The times of all charts' points. */
  constructor(description, history) {
    this.history = history;
    this.description = description;
    this.lines = new Map();
    this.plot = undefined;
    const { title, help = "", awaits } = description;
    this.legend = element("ul", { className: "legend" });
    this.area = element("div");
    this.empty = element(
      "p",
      { className: "empty" },
      awaits === undefined ? "No data yet" : `No data yet: ${awaits}.`,
    );
    this.figure = element(
      "figure",
      {},
      element("figcaption", {}, title, element("small", {}, help)),
      this.area,
      this.legend,
    );
    this.area.append(this.empty);
  }

  setLines(lines) {
    this.lines = new Map(Object.entries(lines));
    this.draw();
  }

  /** Appends a point; `count` is the number of times before it. */
  add(point, count) {
    let isNew = false;
    for (const name of Object.keys(point)) {
      if (this.lines.has(name)) continue;
      this.lines.set(name, Array(count).fill(null));
      isNew = true;
    }
    for (const [name, values] of this.lines) values.push(point[name] ?? null);
    if (isNew || this.plot === undefined) this.draw();
    else this.update();
  }

  dropOldest() {
    for (const values of this.lines.values()) values.shift();
  }

  data() {
    return [this.history.timesMs.map((ms) => ms / 1000), ...this.lines.values()];
  }

  hasData() {
    for (const values of this.lines.values()) {
      if (values.some((value) => value !== null)) return true;
    }
    return false;
  }

  draw() {
    this.plot?.destroy();
    this.plot = undefined;
    this.area.replaceChildren();
    if (!this.hasData()) {
      this.area.append(this.empty);
      this.legend.replaceChildren();
      return;
    }
    const format = formats[this.description.unit];
    const names = [...this.lines.keys()];
    const axis = { stroke: resolved("--quiet"), grid: { stroke: resolved("--line"), width: 1 } };
    this.plot = new uPlot(
      {
        width: this.area.clientWidth || 320,
        height: 150,
        legend: { show: false },
        cursor: { points: { size: 5 }, drag: { setScale: false } },
        scales: {
          x: { range: (_, first, last) => timeRange(first, last) },
          y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] },
        },
        axes: [
          {
            ...axis,
            ticks: { show: false },
            size: 28,
            values: (_, seconds) => seconds.map((second) => formatTime(second * 1000)),
            space: 80,
          },
          {
            ...axis,
            ...(this.description.unit === "bytes" && { incrs: BYTE_STEPS }),
            ticks: { show: false },
            size: 64,
            values: (_, values) => values.map((value) => format(value)),
          },
        ],
        series: [
          {},
          ...names.map((label, i) => ({
            label,
            stroke: resolved(`--series-${i % SERIES_COLORS}`),
            dash: i < SERIES_COLORS ? undefined : [4, 3],
            width: 1.5,
            points: { show: false, filter: (plot, line) => lonePoints(plot.data[line]) },
          })),
        ],
        hooks: { setCursor: [() => this.label()] },
      },
      this.data(),
      this.area,
    );
    this.plot.root.querySelector("canvas").setAttribute("aria-hidden", "true");
    this.label();
  }

  update() {
    this.plot.setData(this.data());
    this.label();
  }

  /** The legend has the values under the cursor, or the newest ones. */
  label() {
    if (this.plot === undefined) return;
    const index = this.plot.cursor.idx ?? this.history.timesMs.length - 1;
    const format = formats[this.description.unit];
    this.legend.replaceChildren(
      ...[...this.lines].map(([name, values], i) => {
        const value = values[index];
        const text = value === null || value === undefined ? "–" : format(value);
        const entry = element("li", {}, `${name} ${text}`);
        entry.style.setProperty("--color", `var(--series-${i % SERIES_COLORS})`);
        return entry;
      }),
    );
  }

  resize() {
    this.plot?.setSize({ width: this.area.clientWidth, height: 150 });
  }
}
