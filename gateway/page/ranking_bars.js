/** A ranking as bars: each item's score and, where it was explained, what its slots contributed. */

/** Contributions shown of an item, the largest first. */
const CONTRIBUTIONS = 5;

/**
 * Rows for the items of a ranking.
 *
 * @param items As answered: `{id, score, cold, explanation?}`.
 * @returns `{id, score, cold, share, parts}`. `share` is of the largest score in the answer;
 *   `parts` are the largest contributions other than 0, each `{slot, contribution, share}`.
 */
export function rankingRows(items) {
  const largest = Math.max(...items.map(({ score }) => Math.abs(score)), Number.MIN_VALUE);
  const contributions = items.flatMap(({ explanation }) =>
    (explanation ?? []).map(({ contribution }) => Math.abs(contribution))
  );
  const largestPart = Math.max(...contributions, Number.MIN_VALUE);
  return items.map(({ id, score, cold, explanation }) => ({
    id,
    score,
    cold,
    share: Math.abs(score) / largest,
    parts: (explanation ?? []).filter(({ contribution }) => contribution !== 0)
      .toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
      .slice(0, CONTRIBUTIONS)
      .map(({ slot, contribution }) => ({
        slot,
        contribution,
        share: Math.abs(contribution) / largestPart,
      })),
  }));
}

/** The rows as list entries, for an `<ol>`. */
export function rankingBars(items) {
  return rankingRows(items).map(({ id, score, cold, share, parts }) => {
    const entry = document.createElement("li");
    entry.append(
      made("span", "id", cold ? `${id} (cold)` : id),
      bar(share, "score"),
      made("span", "figure", score.toPrecision(3)),
      ...parts.flatMap((part) => [
        made("span", "slot", part.slot),
        bar(part.share, part.contribution < 0 ? "against" : "for"),
        made(
          "span",
          "figure",
          `${part.contribution < 0 ? "−" : "+"}${Math.abs(part.contribution).toPrecision(2)}`,
        ),
      ]),
    );
    return entry;
  });
}

function bar(share, className) {
  const made = document.createElement("span");
  made.className = `bar ${className}`;
  // Set through the object model, which the page's content security policy allows.
  made.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
  return made;
}

function made(tag, className, content) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = content;
  return element;
}
