/** The newest rankings and refused requests of all gateways. */
import { cell, element, fillTable, find } from "./elements.js";
import { formatMs, formatTime, whole } from "./format.js";
import { followedRanking, rankingButton } from "./story.js";

/** Rows of a table. */
const ROWS_MAX = 50;

/** Newest activity. */
const view = { activity: undefined };

/** Shows the newest activity; the table stands still while the user points at it or pauses it. */
export function takeActivity(activity) {
  const table = find("#rankings");
  const isHeld = find("#pause").checked || table.matches(":hover, :focus-within");
  if (isHeld && view.activity !== undefined) return;
  view.activity = activity;
  showActivity();
}

function eventsOf(rankingId) {
  return view.activity.events.filter((event) => event.rankingId === rankingId);
}

export function showActivity() {
  if (view.activity === undefined) return;
  const { rankings, refusals } = view.activity;
  const wanted = find("#filter").value.trim();
  const chosen = rankings.filter(({ user, rankingId }) =>
    wanted === "" || user.includes(wanted) || rankingId.includes(wanted)
  );
  const focused = document.activeElement?.dataset?.ranking;
  fillTable(
    "#rankings",
    chosen.slice(0, ROWS_MAX).map((ranking) => {
      const { rankingId, traceId } = ranking;
      const mark = traceId === undefined
        ? []
        : [element("span", { title: "followed through training" }, "● ")];
      return element(
        "tr",
        { "aria-selected": String(rankingId === followedRanking()) },
        cell(formatTime(ranking.atMs)),
        element("td", {}, ...mark, rankingButton(rankingId)),
        cell(ranking.user, "id"),
        cell(ranking.host || "this process", "id"),
        cell(whole.format(ranking.itemCount)),
        cell(formatMs(ranking.tookMs)),
        cell(String(ranking.modelVersion)),
        cell(eventsOf(rankingId).map(eventText).join(", ")),
      );
    }),
    wanted === "" ? "No rankings yet." : `No ranking of the last ${rankings.length} matches.`,
  );
  if (focused !== undefined) {
    find(`#rankings [data-ranking="${CSS.escape(focused)}"]`)?.focus();
  }
  fillTable(
    "#refusals",
    refusals.slice(0, ROWS_MAX).map((refusal) =>
      element(
        "tr",
        {},
        cell(formatTime(refusal.atMs)),
        cell(refusal.host || "this process", "id"),
        cell(`${refusal.method} ${refusal.path}`, "id"),
        element(
          "td",
          {},
          element("a", { href: `/problems/${refusal.kind}` }, `${refusal.status} ${refusal.kind}`),
        ),
        cell(refusal.detail + (refusal.leftOut > 0 ? ` (and ${refusal.leftOut} more)` : "")),
      )
    ),
    "None.",
  );
}

function eventText({ action, acceptedAtMs, knownAtMs }) {
  if (knownAtMs === undefined) return action;
  return `${action}, known after ${formatMs(Math.max(0, knownAtMs - acceptedAtMs))}`;
}
