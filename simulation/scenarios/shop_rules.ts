/**
 * The rules that a visitor's requests have now and then, and the items' fields that they read. The
 * fields are a function of the item's id, so that a checker knows them from the request alone.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";
import { chosen } from "../plan/draws.ts";
import type { Candidate } from "../world/visitor.ts";

/** Share of rankings whose candidates have fields, and of those that have rules. */
const WITH_FIELDS = 0.4;
const WITH_RULES = 0.6;
/** Chance of each kind of rule. */
const EACH = 0.35;

const TAGS = ["red", "green", "blue"];
const FILTERS = ["price < 6", '"red" in tags', '!("blue" in tags) && price >= 1'];

/** Ids as candidates, some with fields; and perhaps rules over them. */
export function ruledRequest(
  random: RandomStream,
  ids: readonly string[],
): { readonly candidates: readonly Candidate[]; readonly more: Record<string, unknown> } {
  if (random.nextFloat() >= WITH_FIELDS) return { candidates: ids.map((id) => ({ id })), more: {} };
  const candidates = ids.map((id) => ({ id, fields: fieldsOf(id) }));
  if (random.nextFloat() >= WITH_RULES) return { candidates, more: {} };
  const has = () => random.nextFloat() < EACH;
  const rules = {
    ...(has() && { filter: chosen(random, FILTERS) }),
    ...(has() && { boost: [{ when: "price < 3", factor: 2 }, { when: "price > 7", factor: 0.5 }] }),
    ...(has() && { diversity: { kind: "cap", by: "tags", max: 1, top: 3 } }),
    ...(has() && {
      pin: [{ item: chosen(random, ids), position: 1 + Math.floor(random.nextFloat() * 4) }],
    }),
    ...(has() && { exclude: [{ what: "click", withinSeconds: 600 }] }),
    ...(has() && { rotation: { withinSeconds: 5, penalty: 0.5 } }),
  };
  return { candidates, more: { scenario: "plain", rules } };
}

/** The attributes of an item of this id. */
function fieldsOf(id: string): { readonly tags: readonly string[]; readonly price: number } {
  const number = Number(id.slice(id.indexOf("-") + 1));
  return { tags: TAGS.filter((_, i) => (number >> i & 1) === 1), price: number % 10 };
}
