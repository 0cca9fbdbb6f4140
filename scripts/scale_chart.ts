/**
 * A chart of the messages and bytes that a host of each role handles, over the number of hosts; all
 * axes are logarithmic.
 */
import type { RoleFigures, SizeFigures } from "./scale_of_hosts.ts";

const WIDTH = 760;
const HEIGHT = 660;
const [LEFT, RIGHT] = [70, WIDTH - 110];
const AXIS_Y = HEIGHT - 44;
const colours = ["#2563c9", "#d9700b", "#16803c", "#8b3fc0", "#b3261e"];

/** One figure of all roles, and where it is drawn. */
interface Panel {
  readonly title: string;
  readonly top: number;
  readonly bottom: number;
  /** Undefined where it was not counted. */
  readonly of: (figures: RoleFigures) => number | undefined;
}

const panels: readonly Panel[] = [
  {
    title: "messages a second, busiest host of a role",
    top: 28,
    bottom: 306,
    of: ({ messages }) => messages,
  },
  {
    title: "kB a second between this host and others",
    top: 350,
    bottom: AXIS_Y - 24,
    of: ({ bytes }) => bytes && bytes / 1_000,
  },
];

type At = readonly [x: number, y: number];

/** The chart as a file of SVG. */
export function rolesChart(measured: readonly SizeFigures[]): string {
  const sizes = measured.map(({ hosts }) => hosts);
  const last = Math.log2(Math.max(2, ...sizes));
  const x = (hosts: number) => LEFT + Math.log2(hosts) / last * (RIGHT - LEFT);
  const labels = sizes.map((hosts) => text([x(hosts), AXIS_Y + 12], "middle", `${hosts}`));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `font-family="system-ui, sans-serif" font-size="12" role="img" ` +
    `aria-label="Messages and bytes a second of the busiest host of each role, over the number ` +
    `of hosts">` +
    `<rect width="100%" height="100%" fill="#fff"/>` +
    `${panels.map((panel) => drawn(panel, measured, x)).join("")}${labels.join("")}` +
    `${text([(LEFT + RIGHT) / 2, HEIGHT - 8], "middle", "hosts, at the same load")}</svg>\n`;
}

function drawn(
  { title, top, bottom, of }: Panel,
  measured: readonly SizeFigures[],
  x: (hosts: number) => number,
): string {
  const curves = Object.keys(measured[0].roles).map((role, i) => ({
    role,
    colour: colours[i],
    points: measured.flatMap(({ hosts, roles }) => {
      const value = of(roles[role]);
      return value ? [{ hosts, value }] : [];
    }),
  })).filter(({ points }) => points.length > 0);
  if (curves.length === 0) return text([LEFT, top - 12], "start", `${title}: not counted`);
  const values = curves.flatMap(({ points }) => points.map(({ value }) => value));
  const [low, high] = [Math.min(...values), Math.max(...values)].map(Math.log10);
  const range = high - low || 1; // one value lies on the axis
  const y = (value: number) => bottom - (Math.log10(value) - low) / range * (bottom - top);
  const decades = Array.from(
    { length: Math.floor(high) - Math.ceil(low) + 1 },
    (_, i) => 10 ** (Math.ceil(low) + i),
  );
  const grid = decades.map((value) =>
    `<line x1="${LEFT}" x2="${RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#dfe4ea"/>` +
    text([LEFT - 8, y(value) + 4], "end", value.toLocaleString("en"))
  );
  const curvesAt = curves.map(({ points }) =>
    points.map(({ hosts, value }) => [x(hosts), y(value)])
  );
  const ends = apart(curvesAt.map((points) => points[points.length - 1][1]));
  const lines = curves.map(({ role, colour }, i) => {
    const points = curvesAt[i].map((point) => point.map(rounded));
    const dots = points.map(([px, py]) =>
      `<circle cx="${px}" cy="${py}" r="3.5" fill="${colour}"/>`
    );
    const endX = curvesAt[i][points.length - 1][0] + 8;
    return `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}" ` +
      `stroke-width="2"/>${dots.join("")}${text([endX, ends[i] + 4], "start", role, colour)}`;
  });
  return `${grid.join("")}${lines.join("")}${text([LEFT, top - 12], "start", title)}`;
}

/** The heights of labels, moved so that none covers another. */
function apart(heights: readonly number[]): number[] {
  const moved = [...heights];
  const order = moved.keys().toArray().sort((a, b) => heights[a] - heights[b]);
  order.slice(1).forEach((label, i) => {
    moved[label] = Math.max(moved[label], moved[order[i]] + 13);
  });
  return moved;
}

function text([x, y]: At, anchor: string, content: string, fill = "#5d6878"): string {
  return `<text x="${rounded(x)}" y="${rounded(y)}" text-anchor="${anchor}" fill="${fill}">` +
    `${content}</text>`;
}

function rounded(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
