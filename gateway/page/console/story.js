// deno-lint-ignore-file cairn/no-host-access cairn/no-ambient-timers -- runs in the browser
/** One ranking: what the user got, why, and its way to the first score that learned from it. */
import { cell, element, fillTable, find, keyHeaders } from "./elements.js";
import { formatMs, formatTime, short, whole } from "./format.js";

/** A followed ranking is read again this often, ms. */
const REFRESH_MS = 2_000;
/** Steps of one kind within this time are one line, ms. */
const FOLDED_MS = 20;
/** Contributions of an item that are named. */
const CONTRIBUTIONS_MAX = 4;

const view = { followed: undefined };
const row = (...cells) => element("tr", {}, ...cells);

export const followedRanking = () => view.followed;

/** Reads and shows a ranking until another one is chosen. */
export async function follow(rankingId) {
  view.followed = rankingId;
  find("#ranking").hidden = false;
  find("#ranking h3").textContent = `Ranking ${rankingId}`;
  find("#rankingNote").textContent = "Reading …";
  for (const table of ["#steps", "#items", "#spans"]) fillTable(table, [], "Reading …");
  while (view.followed === rankingId) {
    const { value, problem, isFinal } = await read(
      `/console/rankings/${encodeURIComponent(rankingId)}`,
    );
    if (view.followed !== rankingId) return;
    if (problem === undefined) showStory(rankingId, value);
    else {
      find("#rankingNote").textContent = problem;
      if (isFinal) {
        for (const table of ["#steps", "#items", "#spans"]) {
          fillTable(table, [], "Nothing is known.");
        }
      }
    }
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
  }
}

/** Lists the rankings of a user that the log has; with no user, nothing. */
export async function searchLog(user) {
  find("#found").hidden = user === "";
  if (user === "") return;
  const note = find("#found p");
  note.textContent = "Searching …";
  fillTable("#foundRankings", [], "Searching …");
  const { value, problem } = await read(`/console/rankings?user=${encodeURIComponent(user)}`);
  if (problem !== undefined) {
    note.textContent = problem;
    return fillTable("#foundRankings", [], "Nothing was searched.");
  }
  const { rankings, recordsRead, isPartial } = value;
  note.textContent = `${whole.format(recordsRead)} records read for user "${user}"` +
    (isPartial
      ? "; older records were not read."
      : ". The log keeps the newest rankings, at least until their window ends.");
  fillTable(
    "#foundRankings",
    rankings.map(({ rankingId, atMs, items, actions }) =>
      row(
        cell(formatTime(atMs)),
        element("td", {}, rankingButton(rankingId)),
        cell(whole.format(items)),
        cell(actions.join(", ")),
      )
    ),
    "The log has no ranking of this user.",
  );
}

/** A button that follows the ranking. */
export function rankingButton(rankingId) {
  const button = element("button", { type: "button", "data-ranking": rankingId }, rankingId);
  button.addEventListener("click", () => {
    follow(rankingId);
    find("#ranking").scrollIntoView({ block: "nearest" });
  });
  return button;
}

/** The answer, or the problem; it is final where the same request gets it again. */
async function read(path) {
  try {
    const response = await fetch(path, { headers: keyHeaders() });
    const value = await response.json();
    if (response.ok) return { value };
    const isFinal = response.status < 500 && response.status !== 429;
    return { problem: value.detail ?? response.statusText, isFinal };
  } catch {
    return { problem: "The server does not answer." };
  }
}

function showStory(rankingId, story) {
  find("#ranking h3").textContent = `Ranking ${rankingId} for ${story.user}`;
  find("#rankingNote").textContent = story.isTraced
    ? "Followed through every actor and host."
    : "Not followed through training: choose a ranking with ●.";
  const beganAtMs = story.steps[0]?.atMs ?? story.atMs;
  const after = (atMs) => `+ ${formatMs(Math.max(0, atMs - beganAtMs))}`;
  fillTable(
    "#steps",
    folded(story.steps).map(({ kind, text, places, atMs, tookMs }) =>
      row(
        cell(after(atMs)),
        element("td", {}, element("strong", {}, kind), ` ${text}`),
        cell(places.join(", "), "id"),
        cell(tookMs === undefined ? "" : formatMs(tookMs)),
      )
    ),
    "No step is known.",
  );
  fillTable(
    "#items",
    story.items.map(({ id, score, actions, explanation }, i) =>
      row(
        cell(String(i + 1)),
        cell(id, "id"),
        cell(score.toPrecision(4)),
        cell(actions.join(", ")),
        cell(explanation === undefined ? "–" : contributionsText(explanation)),
      )
    ),
    "The ranking had no items.",
  );
  if (story.unexplained !== undefined) find("#rankingNote").textContent += ` ${story.unexplained}`;
  else {
    find("#rankingNote").textContent +=
      " Contributions are those of the present model, to the features that were served.";
  }
  fillTable(
    "#spans",
    story.spans.map(({ name, node, startedAtMs, tookMs, attributes, failure }) =>
      row(
        cell(after(startedAtMs)),
        cell(name + (failure === undefined ? "" : `: ${failure}`), failure ? "bad" : ""),
        cell(`${attributes["cairn.actor"] ?? ""} ${node}`, "id"),
        cell(
          attributes["cairn.queued_ms"] === undefined
            ? ""
            : formatMs(attributes["cairn.queued_ms"]),
        ),
        cell(formatMs(tookMs)),
      )
    ),
    "No spans were recorded.",
  );
}

/** The same step at several places at once is one line, with the longest time. */
function folded(steps) {
  const lines = [];
  for (const step of steps) {
    const last = lines.at(-1);
    const isSame = last?.kind === step.kind && last.text === step.text &&
      step.atMs - last.atMs < FOLDED_MS;
    if (!isSame) {
      lines.push({ ...step, places: [step.where] });
      continue;
    }
    if (!last.places.includes(step.where)) last.places.push(step.where);
    last.tookMs = Math.max(last.tookMs ?? 0, step.tookMs ?? 0);
  }
  return lines;
}

function contributionsText(explanation) {
  return explanation.filter(({ contribution }) => contribution !== 0)
    .slice(0, CONTRIBUTIONS_MAX)
    .map(({ slot, contribution }) =>
      `${slot} ${contribution > 0 ? "+" : "−"}${short.format(Math.abs(contribution))}`
    ).join(", ") || "none: nothing is learned of it";
}
