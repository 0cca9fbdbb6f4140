/**
 * A chart of the messages that a host of each role handles, over the number of hosts; both axes are
 * logarithmic.
 */
import type { SizeFigures } from "./scale_of_hosts.ts";

const WIDTH = 760;
const HEIGHT = 360;
const plot = { left: 70, right: WIDTH - 110, top: 24, bottom: HEIGHT - 48 };
const colours = ["#2563c9", "#d9700b", "#16803c", "#8b3fc0", "#b3261e"];

/** The chart as a file of SVG. */
export function rolesChart(measured: readonly SizeFigures[]): string {
  const roles = Object.keys(measured[0].roles);
  const values = measured.flatMap((size) => roles.map((role) => size.roles[role].messages));
  const [low, high] = [Math.max(1, Math.min(...values)), Math.max(...values)].map(Math.log10);
  const sizes = measured.map(({ hosts }) => hosts);
  const last = Math.log2(Math.max(...sizes));
  const x = (hosts: number) => plot.left + Math.log2(hosts) / last * (plot.right - plot.left);
  const y = (value: number) =>
    plot.bottom -
    (Math.log10(Math.max(1, value)) - low) / (high - low) * (plot.bottom - plot.top);
  const text = (at: readonly [number, number], anchor: string, content: string, fill = "#5d6878") =>
    `<text x="${at[0].toFixed(1)}" y="${
      at[1].toFixed(1)
    }" text-anchor="${anchor}" fill="${fill}">` +
    `${content}</text>`;
  const decades = Array.from(
    { length: Math.floor(high) - Math.ceil(low) + 1 },
    (_, i) => 10 ** (Math.ceil(low) + i),
  );
  const grid = decades.map((value) =>
    `<line x1="${plot.left}" x2="${plot.right}" y1="${y(value)}" y2="${y(value)}" ` +
    `stroke="#dfe4ea"/>${text([plot.left - 8, y(value) + 4], "end", value.toLocaleString("en"))}`
  );
  const labels = sizes.map((hosts) => text([x(hosts), plot.bottom + 20], "middle", `${hosts}`));
  const curves = roles.map((role, i) => {
    const points = measured.map((size) => [x(size.hosts), y(size.roles[role].messages)] as const);
    const path = points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ");
    const dots = points.map(([px, py]) =>
      `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3.5" fill="${colours[i]}"/>`
    );
    const [endX, endY] = points[points.length - 1];
    return `<polyline points="${path}" fill="none" stroke="${colours[i]}" stroke-width="2"/>` +
      `${dots.join("")}${text([endX + 8, endY + 4], "start", role, colours[i])}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" ` +
    `font-family="system-ui, sans-serif" font-size="12" role="img" ` +
    `aria-label="Messages a second of the busiest host of each role, over the number of hosts">` +
    `<rect width="100%" height="100%" fill="#fff"/>${grid.join("")}${labels.join("")}` +
    `${curves.join("")}${text([plot.left, 14], "start", "messages a second, busiest host")}` +
    `${
      text([(plot.left + plot.right) / 2, HEIGHT - 8], "middle", "hosts, at the same load")
    }</svg>\n`;
}
