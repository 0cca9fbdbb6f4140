// deno-lint-ignore-file cairn/no-host-access cairn/no-ambient-clock cairn/no-ambient-timers cairn/no-ambient-randomness -- runs in the browser
/**
 * The page to try the API: reads /openapi.json, lists its operations with their examples, sends a
 * request, and shows the answer and the equivalent curl command. After a ranking it offers an event
 * on the first item shown, so that two clicks rank and report.
 */
import { healthFigures, healthTexts, readingOf, withReading } from "./health_figures.js";
import { pretty } from "./pretty_json.js";
import { rankingBars } from "./ranking_bars.js";
import { fieldsOf } from "./schema_fields.js";
import { storedId, withStoredIds } from "./stored_examples.js";

const element = (id) => document.getElementById(id);

const READY_INTERVAL_MS = 5000;
/** The second reading of the metrics comes earlier, so that rates are soon known. */
const SECOND_READING_MS = 1500;

/** The selected operation, as { method, path, operation }. */
let current;
/** The last ranking that was answered. */
let ranking;
let api;
/** Readings of /metrics of the last minute. */
let readings = [];
/** Ids of stored profiles for the examples; none where the server has none or asks for a key. */
let stored = { items: [], users: [] };

const keyInput = element("key");
keyInput.value = sessionStorage.getItem("key") ?? "";
keyInput.addEventListener("input", () => {
  sessionStorage.setItem("key", keyInput.value);
  showCommand();
});
// Stored ids need the key.
keyInput.addEventListener("change", async () => {
  await readStored();
  showFromHash();
});

element("request").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
element("request").addEventListener("input", showCommand);
element("body").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
});
element("next").addEventListener("click", () => {
  location.hash = "postEvents";
});
addEventListener("hashchange", showFromHash);

try {
  api = await (await fetch("/openapi.json")).json();
  element("about").textContent = api.info.description;
  if ("/console/stream" in api.paths) showConsoleLink();
  listOperations();
  await readStored();
  showFromHash();
} catch (error) {
  element("about").textContent = `Cannot read /openapi.json: ${error.message}`;
}
showReadiness();
showHealth();
setTimeout(showHealth, SECOND_READING_MS);
setInterval(() => {
  showReadiness();
  if (!document.hidden) showHealth();
}, READY_INTERVAL_MS);

function showConsoleLink() {
  const link = text("a", "Console with charts →");
  link.href = "/console";
  element("console").replaceChildren(link);
  element("console").hidden = false;
}

async function readStored() {
  const headers = keyInput.value ? { "x-api-key": keyInput.value } : {};
  const ids = async (kind) => {
    try {
      const response = await fetch(`/v1/${kind}?limit=10`, { headers });
      return response.ok ? (await response.json()).profiles.map(({ id }) => id) : [];
    } catch {
      return [];
    }
  };
  const [items, users] = await Promise.all([ids("items"), ids("users")]);
  stored = { items, users };
}

function* operations() {
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) yield { method, path, operation };
  }
}

function listOperations() {
  for (const tag of api.tags) {
    const heading = document.createElement("h2");
    heading.textContent = tag.name;
    heading.title = tag.description;
    element("operations").append(heading);
    for (const { method, path, operation } of operations()) {
      if (!operation.tags.includes(tag.name)) continue;
      const link = document.createElement("a");
      link.href = `#${operation.operationId}`;
      link.append(
        text("b", method.toUpperCase()),
        " ",
        text("code", path),
        text("small", operation.summary),
      );
      element("operations").append(link);
    }
  }
}

function showFromHash() {
  const all = [...operations()];
  const id = location.hash.slice(1);
  current = all.find(({ operation }) => operation.operationId === id) ?? all[0];
  const { method, path, operation } = current;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${operation.operationId}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  element("operation").hidden = false;
  element("answer").hidden = true;
  element("next").hidden = true;
  element("method").textContent = method.toUpperCase();
  element("path").textContent = path;
  element("summary").textContent = [operation.summary + ".", operation.description]
    .filter(Boolean).join(" ");
  showParameters(operation);
  showBody(operation);
  showFields(operation);
  showCommand();
}

function showParameters(operation) {
  element("parameters").replaceChildren(...(operation.parameters ?? []).map((parameter) => {
    const label = text("label", `${parameter.name}: ${parameter.description ?? ""}`);
    const input = document.createElement("input");
    input.name = parameter.name;
    input.required = parameter.required;
    if (parameter.in === "path") {
      input.value = exampleOfParameter(current.path);
    }
    label.append(input);
    return label;
  }));
}

function exampleOfParameter(path) {
  if (path.includes("/items/")) return storedId("item-1", stored);
  if (path.includes("/users/")) return storedId("user-7", stored);
  return path.includes("/rankings/") ? ranking?.rankingId ?? "" : "";
}

function showBody(operation) {
  const media = operation.requestBody?.content["application/json"];
  element("body").hidden = element("bodyLabel").hidden = !media;
  if (!media) return;
  element("body").value = pretty(exampleOf(operation, media));
  element("body").rows = Math.min(24, element("body").value.split("\n").length + 1);
}

/** The document's example; for events, one on the items of the last ranking. */
function exampleOf(operation, media) {
  const example = withStoredIds(media.example, stored);
  if (operation.operationId !== "postEvents") return example;
  return {
    ...example,
    eventId: freshId(),
    ...(ranking && { rankingId: ranking.rankingId, item: ranking.items[0]?.id }),
  };
}

function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return "event-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function showFields(operation) {
  const schema = operation.requestBody?.content["application/json"].schema;
  const rows = schema ? [...fieldsOf(schema, api)] : [];
  document.querySelector("details").hidden = rows.length === 0;
  document.querySelector("#fields tbody").replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => text("td", cell)));
    return row;
  }));
}

/** The request that the form describes. */
function requestOf() {
  const { elements } = element("request");
  const query = new URLSearchParams();
  for (const { in: place, name } of current.operation.parameters ?? []) {
    if (place === "query" && elements[name].value !== "") query.set(name, elements[name].value);
  }
  const path = current.path.replaceAll(
    /\{(\w+)\}/g,
    (_, name) => encodeURIComponent(elements[name].value),
  ) + (query.size > 0 ? `?${query}` : "");
  const headers = {};
  if (keyInput.value) headers["x-api-key"] = keyInput.value;
  const body = element("body").hidden ? undefined : element("body").value;
  if (body !== undefined) headers["content-type"] = "application/json";
  return { method: current.method.toUpperCase(), path, headers, body };
}

function showCommand() {
  const { method, path, headers, body } = requestOf();
  const parts = [`curl ${shellQuoted(location.origin + path)}`];
  if (body !== undefined) parts.push(`--json ${shellQuoted(compact(body))}`);
  if (method !== "GET" && method !== (body === undefined ? "GET" : "POST")) {
    parts.push(`-X ${method}`);
  }
  if (headers["x-api-key"]) parts.push('-H "X-API-Key: $CAIRN_KEY"');
  element("command").textContent = parts.join(" \\\n  ");
}

function compact(body) {
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return body;
  }
}

function shellQuoted(value) {
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

async function send() {
  const { method, path, headers, body } = requestOf();
  const asked = current;
  const start = performance.now();
  element("status").textContent = "…";
  element("answer").hidden = false;
  try {
    const response = await fetch(path, { method, headers, body });
    const answer = await response.text();
    if (asked === current) showAnswer(response, answer, performance.now() - start);
  } catch (error) {
    element("status").className = "bad";
    element("status").textContent = "none";
    element("answerBody").textContent = `The server did not answer: ${error.message}`;
    element("answerHeaders").textContent = "";
  }
}

function showAnswer(response, answer, tookMs) {
  element("status").className = response.ok ? "good" : "bad";
  element("status").textContent = `${response.status} ${response.statusText}`;
  element("took").textContent = `${tookMs.toFixed(1)} ms`;
  element("answerHeaders").textContent = [...response.headers]
    .map(([name, value]) => `${name}: ${value}`).join("\n");
  const json = response.headers.get("content-type")?.includes("json");
  const value = json ? JSON.parse(answer) : undefined;
  element("answerBody").textContent = json ? pretty(value) : answer || "(no content)";
  const isRanking = response.ok && value?.rankingId !== undefined && value.items?.[0]?.id;
  element("bars").hidden = !isRanking;
  element("bars").replaceChildren(...(isRanking ? rankingBars(value.items) : []));
  if (isRanking && current.operation.operationId === "rank") {
    ranking = value;
    element("next").hidden = false;
  }
}

async function showReadiness() {
  const state = element("state");
  try {
    const response = await fetch("/health/ready");
    const answer = await response.json();
    const { modelVersion, warnings = [], detail } = answer;
    const count = warnings.length;
    state.className = response.ok && count === 0 ? "ready" : "waiting";
    state.textContent = response.ok
      ? `ready, model version ${modelVersion}${
        count > 0 ? `, ${count} warning${count > 1 ? "s" : ""}` : ""
      }`
      : "not ready";
    state.title = detail ?? warnings.map((warning) => warning.detail).join("\n");
  } catch {
    state.className = "waiting";
    state.textContent = "the server does not answer";
  }
}

/** Figures of the last minute; the old ones stay while the server does not answer. */
async function showHealth() {
  try {
    const response = await fetch("/metrics");
    if (!response.ok) return;
    readings = withReading(readings, readingOf(await response.text(), Date.now()));
  } catch {
    return; // the line with the readiness says so
  }
  element("health").hidden = false;
  element("healthFigures").replaceChildren(
    ...healthTexts(healthFigures(readings)).map(([name, value, title]) => {
      const figure = document.createElement("div");
      figure.title = title;
      figure.append(text("dt", name), text("dd", value));
      return figure;
    }),
  );
}

function text(tag, content) {
  const made = document.createElement(tag);
  made.textContent = content;
  return made;
}
