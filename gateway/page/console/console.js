// deno-lint-ignore-file cairn/no-host-access cairn/no-ambient-timers cairn/no-ambient-clock -- runs in the browser
/**
 * The console: draws the stream of /console/stream, and connects again when it ends. The server
 * keeps the last hour, so a page that opens late misses nothing.
 */
import { showActivity, takeActivity } from "./activity.js";
import { Chart } from "./chart.js";
import { element, find, keyAdvice, keyHeaders, withCode } from "./elements.js";
import { formats, formatTime } from "./format.js";
import { showMesh, showParts, showStores } from "./mesh.js";
import { searchLog } from "./story.js";

/** Without data for this long the stream counts as broken, ms. */
const SILENCE_MS = 15_000;
const RETRY_MS = 2_000;

/** Charts by id. */
const drawn = new Map();
/** The times of all charts' points, and how many are kept. */
const history = { timesMs: [], capacity: 720 };

function showHistory({ charts, series, sampleMs }) {
  history.timesMs = [...series.timesMs];
  history.capacity = Math.round(3_600_000 / sampleMs);
  drawn.clear();
  const groups = new Map();
  for (const description of charts) {
    const chart = new Chart(description, history);
    drawn.set(description.id, chart);
    const list = groups.get(description.group) ?? [];
    list.push(chart.figure);
    groups.set(description.group, list);
  }
  find("#charts").replaceChildren(
    ...[...groups].map(([title, figures]) =>
      element(
        "section",
        {},
        element("h2", {}, title),
        element("div", { className: "grid" }, ...figures),
      )
    ),
  );
  for (const [id, chart] of drawn) chart.setLines(structuredClone(series.charts[id]));
  showFigures();
}

function showSample({ atMs, points, parts }) {
  history.timesMs.push(atMs);
  const isFull = history.timesMs.length > history.capacity;
  if (isFull) history.timesMs.shift();
  for (const [id, chart] of drawn) {
    if (isFull) chart.dropOldest();
    chart.add(points[id] ?? {}, history.timesMs.length - 1);
  }
  showFigures();
  showParts(parts);
}

const figures = [
  ["Rankings", "requests", "/v1/rank"],
  ["Latency p99", "latency", "p99"],
  ["Events accepted", "events", "accepted"],
  ["Freshness p50", "freshness", "p50"],
  ["Examples trained on", "examples", "trained on"],
  ["Rows", "rows", "training"],
];

function showFigures() {
  find("#figures").replaceChildren(...figures.map(([title, id, line]) => {
    const chart = drawn.get(id);
    const value = chart?.lines.get(line)?.at(-1);
    const text = value === null || value === undefined
      ? "–"
      : formats[chart.description.unit](value);
    return element("div", {}, element("dt", {}, title), element("dd", {}, text));
  }));
}

function showState({ state }) {
  const isReady = state.status === "ready";
  setState(isReady ? "Ready" : `Not ready: ${state.detail}`, isReady ? "ready" : "broken");
  find("#freshness").textContent = isReady && state.learnedThroughMs > 0
    ? `Scores know the events until ${formatTime(state.learnedThroughMs)}, ` +
      `model version ${state.modelVersion}`
    : isReady
    ? "The model is untrained"
    : "";
  const warnings = isReady ? state.warnings : [];
  find("#warnings").hidden = warnings.length === 0;
  find("#warnings ul").replaceChildren(
    ...warnings.map(({ detail }) => element("li", {}, ...withCode(detail))),
  );
  document.title = isReady ? "Cairn: console" : "● Cairn: console";
}

function setState(text, className) {
  const state = find("#state");
  if (state.textContent !== text.replaceAll("`", "")) state.replaceChildren(...withCode(text));
  state.className = className;
}

const handlers = {
  history: showHistory,
  sample: showSample,
  mesh: showMesh,
  stores: showStores,
  activity(activity) {
    showState(activity);
    takeActivity(activity);
  },
};

let connection = 0;
/** Wall time of the newest message of the stream, ms; undefined before the first. */
let heardAtMs;

/** Says that nothing new comes, and of when the shown state is. */
function setBroken(reason) {
  const shown = heardAtMs === undefined ? "" : ` Shown is the state of ${formatTime(heardAtMs)}.`;
  setState(`${reason}; trying again …${shown}`, "broken");
  find("main").classList.add("stale");
}

async function connect() {
  const mine = ++connection;
  while (mine === connection) {
    const stop = new AbortController();
    let silence = setTimeout(() => stop.abort(), SILENCE_MS);
    try {
      const response = await fetch("/console/stream", {
        headers: keyHeaders(),
        signal: stop.signal,
      });
      if (!response.ok) {
        if (response.status === 401) return setState(keyAdvice(), "broken");
        const { detail = response.statusText } = await response.json().catch(() => ({}));
        setState(detail, "broken");
      } else {
        for await (const [event, data] of messages(response.body)) {
          if (mine !== connection) break;
          clearTimeout(silence);
          silence = setTimeout(() => stop.abort(), SILENCE_MS);
          heardAtMs = Date.now();
          find("main").classList.remove("stale");
          handlers[event]?.(data);
        }
        setBroken("The server ended the connection");
      }
    } catch {
      if (mine === connection) setBroken("The server does not answer");
    }
    clearTimeout(silence);
    stop.abort();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The events of a text/event-stream with one line of data each. */
async function* messages(body) {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
      if (event !== undefined) yield [event, JSON.parse(data)];
    }
  }
}

find("#key").value = sessionStorage.getItem("cairn-key") ?? "";
find("#keyForm").addEventListener("submit", (event) => event.preventDefault());
find("#key").addEventListener("change", () => {
  sessionStorage.setItem("cairn-key", find("#key").value);
  connect();
});
find("#filterForm").addEventListener("submit", (event) => {
  event.preventDefault();
  searchLog(find("#filter").value.trim());
});
find("#filter").addEventListener("input", showActivity);
find("#pause").addEventListener("change", showActivity);
addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));
matchMedia("(prefers-color-scheme: dark)")
  .addEventListener("change", () => drawn.forEach((chart) => chart.draw()));
connect();
