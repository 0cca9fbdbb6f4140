/** Examples of the API description with ids of stored items and users in place of made ones. */

/** Candidates of an example where so many items are stored. */
const CANDIDATES = 10;

/**
 * The example with the ids of stored profiles. With at least two stored items, a ranking has up to
 * ten of them as candidates, without `fields` (their stored attributes are read), and asks for an
 * explanation.
 *
 * @param example JSON of a request's body; not changed.
 * @param stored `{items, users}`, lists of ids.
 */
export function withStoredIds(example, { items, users }) {
  const replaced = replaceIds(example, items, users);
  if (!Array.isArray(example?.candidates) || items.length < 2) return replaced;
  const candidates = items.slice(0, CANDIDATES).map((id) => ({ id }));
  return { ...replaced, candidates, limit: Math.min(5, candidates.length), explain: true };
}

/** The id in place of the example's: a stored one, or the same where none is stored. */
export function storedId(id, { items, users }) {
  const [, kind, number] = /^(item|user)-(\d+)$/.exec(id) ?? [];
  if (kind === "item") return items[(Number(number) - 1) % items.length] ?? id;
  if (kind === "user") return users[0] ?? id;
  return id;
}

function replaceIds(value, items, users) {
  if (typeof value === "string") return storedId(value, { items, users });
  if (Array.isArray(value)) return value.map((each) => replaceIds(each, items, users));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [name, replaceIds(each, items, users)]),
  );
}
