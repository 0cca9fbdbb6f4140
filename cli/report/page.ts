/**
 * One self-contained HTML page: figures with their targets on top, charts below, no script, nothing
 * fetched.
 */
import { escapeHtml } from "../../structures/escape_html.ts";

/** One number of the run. */
export interface Figure {
  readonly label: string;
  readonly value: string;
  /** The target in words: `≥ 0.764`. */
  readonly target?: string;
  /** Whether the value reaches the target. */
  readonly reached?: boolean;
}

/** A chart under a heading. */
export interface Section {
  readonly title: string;
  /** One sentence that explains the chart. */
  readonly note: string;
  /** From {@link lineChart}, {@link histogramChart} or {@link dataTable}. */
  readonly chart: string;
}

/** The page's content. */
export interface ReportPage {
  readonly title: string;
  readonly subtitle: string;
  readonly figures: readonly Figure[];
  /** Sentences about the figures, below them. */
  readonly notes?: readonly string[];
  readonly sections: readonly Section[];
  /** The command that makes the page again, and notes; printed small at the end. */
  readonly footnotes: readonly string[];
}

const style = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1b2330; --muted: #5d6878;
  --line: #e2e6ec; --good: #157f4c; --bad: #b3261e; --series-1: #2563c9; --series-2: #d9700b;
  --series-3: #0c8a7b; --series-4: #8b46c1; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161d; --card: #1b212b; --ink: #e8ecf2;
  --muted: #98a3b3; --line: #2e3744; --good: #54c98a; --bad: #ff8a80; --series-1: #7aa8ff;
  --series-2: #ffa552; --series-3: #4fd1c0; --series-4: #c39af0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 36px 20px 60px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 0; }
.subtitle, .note { color: var(--muted); margin: 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(186px, 1fr)); gap: 10px;
  margin: 24px 0; padding: 0; list-style: none; }
.figures li, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.figures li { padding: 12px 14px; }
.figures b { display: block; font-size: 23px; font-weight: 650; font-variant-numeric: tabular-nums;
  line-height: 1.3; }
.figures span { color: var(--muted); font-size: 13px; }
.figures .target { display: block; font-size: 12.5px; }
.target.reached { color: var(--good); } .target.missed { color: var(--bad); }
.notes { margin: 0 0 20px; padding: 12px 14px 12px 32px; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }
.notes li { margin: 2px 0; }
section { padding: 18px 20px 12px; margin: 14px 0; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
@media (max-width: 560px) { section { overflow-x: auto; } svg { min-width: 560px; } }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  fill: var(--muted); }
.grid { stroke: var(--line); } .axis { stroke: var(--muted); }
.series-1 { --color: var(--series-1); } .series-2 { --color: var(--series-2); }
.series-3 { --color: var(--series-3); } .series-4 { --color: var(--series-4); }
.curve { fill: none; stroke: var(--color); stroke-width: 2; stroke-linejoin: round; }
.last, .bar { fill: var(--color); }
.mark line { stroke: var(--ink); stroke-dasharray: 2 3; } .mark text { fill: var(--ink); font-weight: 600; }
.reference text { paint-order: stroke; stroke: var(--card); stroke-width: 5px; }
.reference line { stroke: var(--muted); stroke-dasharray: 2 4; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 0; padding: 0; list-style: none;
  font-size: 13px; color: var(--muted); }
.swatch { display: inline-block; width: 18px; height: 0; border-top: 3px solid var(--color);
  vertical-align: middle; margin-right: 7px; }
.table { overflow-x: auto; margin-top: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 5px 8px; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--muted); font-weight: 500; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
.empty { color: var(--muted); }
footer { color: var(--muted); font-size: 13px; margin-top: 22px; }
footer p { margin: 2px 0; overflow-wrap: anywhere; }
`;

/** The whole page as text. */
export function renderReport(page: ReportPage): string {
  const figures = page.figures.map(({ label, value, target, reached }) => {
    const verdict = target === undefined
      ? ""
      : `<span class="target ${reached ? "reached" : "missed"}">${reached ? "✓" : "✗"} target ${
        escapeHtml(target)
      }</span>`;
    return `<li><span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b>${verdict}</li>`;
  });
  const notes = page.notes === undefined || page.notes.length === 0
    ? ""
    : `<ul class="notes">${
      page.notes.map((note) => `<li>${escapeHtml(note)}</li>`).join("")
    }</ul>\n`;
  const sections = page.sections.map(({ title, note, chart }) =>
    `<section><h2>${escapeHtml(title)}</h2><p class="note">${
      escapeHtml(note)
    }</p>\n${chart}</section>`
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(page.title)}</h1>
<p class="subtitle">${escapeHtml(page.subtitle)}</p>
<ul class="figures">
${figures.join("\n")}
</ul>
${notes}${sections.join("\n")}
<footer>${page.footnotes.map((note) => `<p>${escapeHtml(note)}</p>`).join("")}</footer>
</main>
</body>
</html>
`;
}
