/** The newest rankings, the one that the user follows, and refused requests. */
import { cell, element, fillTable, find } from "./elements.js";
import { formatMs, formatTime, whole } from "./format.js";

/** Rows of a table. */
const ROWS_MAX = 50;

/** Newest activity, and the ranking that the user follows. */
const view = { activity: undefined, followed: undefined };

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
      const { rankingId } = ranking;
      const button = element("button", { type: "button", "data-ranking": rankingId }, rankingId);
      button.addEventListener("click", () => follow(ranking));
      return element(
        "tr",
        { "aria-selected": String(rankingId === view.followed?.rankingId) },
        cell(formatTime(ranking.atMs)),
        element("td", {}, button),
        cell(ranking.user, "id"),
        cell(whole.format(ranking.itemCount)),
        cell(formatMs(ranking.tookMs)),
        cell(String(ranking.modelVersion)),
        cell(eventsOf(rankingId).map(({ action }) => action).join(", ")),
      );
    }),
    wanted === "" ? "No rankings yet." : `No ranking of the last ${rankings.length} matches.`,
  );
  if (focused !== undefined) find(`[data-ranking="${CSS.escape(focused)}"]`)?.focus();
  fillTable(
    "#refusals",
    refusals.slice(0, ROWS_MAX).map((refusal) =>
      element(
        "tr",
        {},
        cell(formatTime(refusal.atMs)),
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
  showFollowed();
}

function follow(ranking) {
  view.followed = ranking;
  showActivity();
}

function showFollowed() {
  const ranking = view.followed;
  find("#ranking").hidden = ranking === undefined;
  if (ranking === undefined) return;
  find("#ranking h3").textContent = `Ranking ${ranking.rankingId} for ${ranking.user}`;
  const events = eventsOf(ranking.rankingId).toReversed();
  find("#steps").replaceChildren(
    element(
      "li",
      {},
      `${formatTime(ranking.atMs)}: ${ranking.itemCount} items ranked in ` +
        `${formatMs(ranking.tookMs)} by model version ${ranking.modelVersion}`,
    ),
    ...events.map(({ item, action, acceptedAtMs, knownAtMs }) =>
      element(
        "li",
        {},
        `${formatTime(acceptedAtMs)}: ${action} on ${item}; ` + (knownAtMs === undefined
          ? "no answer knows it yet"
          : `an answer knew it ${formatMs(Math.max(0, knownAtMs - acceptedAtMs))} later`),
      )
    ),
    ...(events.length === 0 ? [element("li", { className: "quiet" }, "No event yet")] : []),
  );
  fillTable(
    "#items",
    ranking.items.map(({ id, score }, i) =>
      element(
        "tr",
        {},
        cell(String(i + 1)),
        cell(id, "id"),
        cell(score.toPrecision(4)),
        cell(events.filter(({ item }) => item === id).map(({ action }) => action).join(", ")),
      )
    ),
    "The ranking had no items.",
  );
}
