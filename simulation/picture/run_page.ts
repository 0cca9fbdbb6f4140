/**
 * A run as one page: its faults on a time line, and the last messages before its end as a ladder, a
 * lane for each actor, grouped by host. Nothing is fetched, and no script runs.
 */
import { counted } from "../../structures/counted.ts";
import { describeFault, type Fault } from "../plan/fault.ts";
import { describeClocks } from "../plan/host_clocks.ts";
import type { RunPlan } from "../plan/run_plan.ts";
import type { RunOutcome } from "../run_world.ts";
import { formatSeed } from "../seed.ts";
import type { TraceEvent } from "../trace/trace.ts";
import { escapeHtml } from "../../structures/escape_html.ts";
import { laneGroupsOf } from "./lanes.ts";

/** Events that the ladder shows. */
const LADDER_EVENTS_MAX = 400;
const LANE_WIDTH = 136;
const TIME_WIDTH = 78;
const ROW_HEIGHT = 18;
const HEAD_HEIGHT = 64;
/** Rows between two lines with the names of the lanes. */
const NAMES_EVERY = 40;
const LINE_WIDTH = 1_000;

const style = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1b2330; --muted: #5d6878;
  --line: #dfe4ea; --message: #2563c9; --bad: #b3261e; --fault: #d9700b; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161d; --card: #1b212b; --ink: #e8ecf2;
  --muted: #98a3b3; --line: #2e3744; --message: #7aa8ff; --bad: #ff8a80; --fault: #ffa552; } }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { padding: 28px 24px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 8px; }
p { margin: 2px 0; color: var(--muted); } p.bad { color: var(--bad); font-weight: 600; }
a { color: inherit; }
ol { margin: 0; padding-left: 24px; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
svg { display: block; } svg text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink);
  paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.time { fill: var(--muted) !important; } .lane { stroke: var(--line); }
.message { stroke: var(--message); stroke-width: 1.3; fill: none; } .head { fill: var(--message); }
.host { fill: var(--ground); stroke: var(--line); } .host-name { font-weight: 600 !important; }
.event { fill: var(--message); } .fault { fill: var(--fault); } .broken { stroke: var(--bad); stroke-width: 2; }
.fault-line { stroke: var(--fault); stroke-width: 1.5; stroke-dasharray: 6 4; }
.fault-text { fill: var(--fault) !important; font-weight: 600; } .name { fill: var(--muted) !important; }
.broken-text { fill: var(--bad) !important; font-weight: 600; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
`;

/** Events of a run that a picture is made of: the newest. */
export const PICTURE_EVENTS_MAX = 20_000;

/** The page. */
export function runPage(plan: RunPlan, outcome: RunOutcome): string {
  const { kind, checker, message, atMs, virtualMs, traceHash, world } = outcome;
  const verdict = kind === "passed"
    ? "<p>Every promise held.</p>"
    : `<p class="bad">${escapeHtml(`${kind} at ${seconds(atMs)}: ${checker}: ${message}`)} (` +
      `<a href="#broken">the events before it</a>)</p>`;
  const events = world.trace.events().filter((event) => event.kind !== "callback");
  const shown = events.slice(-LADDER_EVENTS_MAX);
  const faults = plan.faults.map((fault) => `<li>${faultItem(fault, shown)}</li>`).join("");
  const clocks = describeClocks(plan.clocks);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Simulated run ${formatSeed(plan.seed)}</title><style>${style}</style></head><body><main>
<h1>Simulated run ${formatSeed(plan.seed)}</h1>
<p>Scenario ${escapeHtml(plan.scenario)}, ${counted(plan.clients.length, "client")}, ${
    seconds(virtualMs)
  } of
virtual time, trace ${traceHash}</p>
${verdict}
<h2>Faults over time</h2>
<div class="wide">${timeLine(plan.faults, virtualMs, kind === "passed" ? undefined : atMs)}</div>
${faults === "" ? "<p>None.</p>" : `<ol>${faults}</ol>`}
<h2>The last ${Math.min(events.length, LADDER_EVENTS_MAX)} events</h2>
<p>Time runs down, in ms of virtual time. A dot is a message handled, or an operation of a log; an
arrow comes from the sender; a dashed line is a fault. Further actors are to the right; those of one
host stand together.</p>
<div class="wide">${ladder(shown, kind !== "passed")}</div>
<h2>Configuration</h2>
${clocks === undefined ? "" : `<p>${escapeHtml(clocks)}</p>`}
<p><code>${escapeHtml(JSON.stringify(plan.values))}</code></p>
</main></body></html>
`;
}

/** A fault in words, with a link to its line in the ladder. */
function faultItem(fault: Fault, shown: readonly TraceEvent[]): string {
  const words = describeFault(fault);
  const index = shown.findIndex((event) => isFault(event) && event.text === words);
  return index < 0
    ? `${escapeHtml(words)} (before the events below, or not at all)`
    : `<a href="#event-${index}">${escapeHtml(words)}</a>`;
}

/** Whether the event is a fault that strikes. */
function isFault({ at, text }: TraceEvent): boolean {
  return at === "world" && text !== undefined;
}

function timeLine(
  faults: readonly Fault[],
  virtualMs: number,
  brokenAtMs: number | undefined,
): string {
  const x = (ms: number) => 8 + ms / Math.max(1, virtualMs) * (LINE_WIDTH - 16);
  const bars = faults.map((fault, i) => {
    const lengthMs = "forMs" in fault ? fault.forMs : "downMs" in fault ? fault.downMs : 0;
    const width = Math.max(3, x(fault.atMs + lengthMs) - x(fault.atMs));
    const title = `<title>${escapeHtml(describeFault(fault))}</title>`;
    const y = 10 + (i % 6) * 9;
    return `<rect class="fault" x="${x(fault.atMs).toFixed(1)}" y="${y}" width="${
      width.toFixed(1)
    }" height="7" rx="2">${title}</rect>`;
  });
  const ticks = Array.from({ length: 11 }, (_, i) => {
    const ms = virtualMs * i / 10;
    return `<text class="time" x="${x(ms).toFixed(1)}" y="86" text-anchor="${
      i === 0 ? "start" : i === 10 ? "end" : "middle"
    }">${(ms / 1_000).toFixed(1)}s</text>`;
  });
  const broken = brokenAtMs === undefined
    ? ""
    : `<line class="broken" x1="${x(brokenAtMs)}" x2="${x(brokenAtMs)}" y1="4" y2="70"/>`;
  return `<svg width="${LINE_WIDTH}" height="94" role="img" aria-label="Faults over time">${
    bars.join("")
  }${ticks.join("")}${broken}</svg>`;
}

function ladder(events: readonly TraceEvent[], failed: boolean): string {
  const groups = laneGroupsOf(events);
  const all = groups.flatMap((group) => group.lanes);
  const lanes = all.map(({ name }) => name);
  const center = (lane: string) => TIME_WIDTH + (lanes.indexOf(lane) + 0.5) * LANE_WIDTH;
  const width = TIME_WIDTH + lanes.length * LANE_WIDTH + 240;
  const end = yOf(events.length);
  const height = end + 4 * ROW_HEIGHT;
  const namesAt = (y: number, style: string) =>
    all.map(({ name, label }) =>
      `<text class="${style}" x="${center(name)}" y="${y}" text-anchor="middle">${
        escapeHtml(label.replace("/", " "))
      }</text>`
    ).join("");
  // Far from the head, where the names of the hosts are out of sight.
  const hostsAt = (y: number) =>
    groups.flatMap(({ host, lanes }) =>
      host === undefined
        ? []
        : lanes.filter(({ label }) => label !== host).map(({ name }) =>
          `<text class="name" x="${center(name)}" y="${y}" text-anchor="middle">${
            escapeHtml(host)
          }</text>`
        )
    ).join("");
  const tracks = all.map(({ name }) => {
    const x = center(name);
    return `<line class="lane" x1="${x}" x2="${x}" y1="42" y2="${height}"/>`;
  });
  const hosts = groups.flatMap(({ host, lanes }) => {
    if (host === undefined) return [];
    const begin = center(lanes[0].name) - LANE_WIDTH / 2 + 3;
    const width = lanes.length * LANE_WIDTH - 6;
    return [
      `<rect class="host" x="${begin}" y="0" width="${width}" height="${height}" rx="8"/>` +
      `<text class="host-name" x="${begin + 8}" y="16">host ${escapeHtml(host)}</text>`,
    ];
  });
  const rows = events.map((event, i) => {
    const y = yOf(i);
    const x = center(event.at);
    const names = i > 0 && i % NAMES_EVERY === 0
      ? hostsAt(y - 2 * ROW_HEIGHT + 7) + namesAt(y - ROW_HEIGHT + 4, "name")
      : "";
    const label = `${event.kind}${event.detail === 0 ? "" : ` ${event.detail}`}`;
    const from = event.from !== undefined && lanes.includes(event.from) ? center(event.from) : x;
    const arrow = from === x ? "" : arrowTo(from, x, y);
    if (isFault(event)) {
      return `${names}<line class="fault-line" x1="${TIME_WIDTH}" x2="${width}" y1="${y}" y2="${y}"/>` +
        `<text id="event-${i}" class="time" x="4" y="${y + 4}">${event.atMs.toFixed(3)}</text>` +
        `<text class="fault-text" x="${TIME_WIDTH}" y="${y + 4}">${
          escapeHtml(event.text ?? "")
        }</text>`;
    }
    return `${names}<text class="time" x="4" y="${y + 4}">${event.atMs.toFixed(3)}</text>${arrow}` +
      `<circle class="event" cx="${x}" cy="${y}" r="3"><title>${
        escapeHtml(event.text ?? label)
      }</title></circle><text x="${x + 7}" y="${y + 4}">${escapeHtml(label)}</text>`;
  });
  // At the lane of the last event, so that the link shows this lane where it is far to the right.
  const last = events.at(-1)?.at;
  const brokenX = last === undefined ? 4 : center(last);
  const broken = failed
    ? `<line class="broken" x1="0" x2="${width}" y1="${end}" y2="${end}"/>` +
      `<text id="broken" class="broken-text" x="${brokenX}" y="${end + 16}">` +
      "the promise is broken</text>"
    : "";
  return `<svg width="${width}" height="${height}" role="img" aria-label="Messages between actors">${
    hosts.join("") + tracks.join("") + namesAt(34, "") + hostsAt(end + 2.2 * ROW_HEIGHT) +
    namesAt(end + 3 * ROW_HEIGHT, "name")
  }${rows.join("")}${broken}</svg>`;
}

/**
 * The height of a row; the names of the lanes, and of their hosts, take two rows behind every
 * {@link NAMES_EVERY}.
 */
function yOf(row: number): number {
  return HEAD_HEIGHT + (row + 2 * Math.floor(row / NAMES_EVERY)) * ROW_HEIGHT;
}

function arrowTo(from: number, to: number, y: number): string {
  const direction = Math.sign(to - from);
  const tip = to - direction * 4;
  const back = tip - direction * 6;
  return `<line class="message" x1="${from}" x2="${tip}" y1="${y}" y2="${y}"/>` +
    `<path class="head" d="M${tip} ${y} L${back} ${y - 3} L${back} ${y + 3} Z"/>`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)}s`;
}
