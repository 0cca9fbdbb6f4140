/**
 * The attributes that features and rules read. The API page uses them in its examples, and answers
 * note sent attributes that are not among them, because those may be misspelt.
 */
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import type { RankRequest } from "../schemas/rank.ts";

/** Attribute names listed in a note; further ones are counted. */
const NAMES_MAX = 20;

/** The attributes by owner, each with a valid example value. */
export interface KnownAttributes {
  readonly user: Attributes;
  readonly item: Attributes;
  readonly context: Attributes;
}

/** An example ranking request that uses the attributes that this server's features read. */
export function exampleRequest({ user, item, context }: KnownAttributes): RankRequest {
  return {
    user: "user-7",
    ...(isEmpty(user) ? {} : { userFields: { ...user } }),
    ...(isEmpty(context) ? {} : { context: { ...context } }),
    candidates: [
      { id: "item-1" },
      { id: "item-2", ...(isEmpty(item) ? {} : { fields: { ...item } }) },
      { id: "item-3" },
    ],
    limit: 2,
  } as RankRequest;
}

/** The note on a ranking's unread attributes. Only the first candidate is looked at. */
export function noteOnAttributes(
  { candidates, context, userFields }: RankRequest,
  known: KnownAttributes,
): string | undefined {
  return noteOf([
    ...unreadOf("context", context, known.context),
    ...unreadOf("userFields", userFields, known.user),
    ...unreadOf("candidates/0/fields", candidates[0]?.fields, known.item),
  ]);
}

/** The note on unread attributes of stored profiles, one for all profiles of a request. */
export function noteOnProfiles(
  profiles: readonly Attributes[],
  known: Attributes,
): string | undefined {
  const unread = new Set<string>();
  for (const profile of profiles) {
    for (const name of unreadNames(profile, known)) unread.add(name);
  }
  return noteOf(unreadText("attributes", [...unread], known));
}

function noteOf(unread: readonly string[]): string | undefined {
  return unread.length === 0 ? undefined : `No feature reads ${unread.join("; nor ")}.`;
}

function unreadOf(
  where: string,
  sent: Readonly<Record<string, unknown>> | undefined,
  known: Attributes,
): string[] {
  return sent === undefined ? [] : unreadText(where, unreadNames(sent, known), known);
}

function unreadNames(sent: Readonly<Record<string, unknown>>, known: Attributes): string[] {
  return Object.keys(sent).filter((name) => !Object.hasOwn(known, name));
}

function unreadText(where: string, unread: readonly string[], known: Attributes): string[] {
  if (unread.length === 0) return [];
  const names = Object.keys(known);
  const read = names.length === 0 ? "nothing is read there" : `read there: ${names.join(", ")}`;
  const shown = unread.slice(0, NAMES_MAX).map((name) => JSON.stringify(name)).join(", ");
  const more = unread.length > NAMES_MAX ? ` and ${unread.length - NAMES_MAX} more` : "";
  return [`${shown}${more} of ${where} (${read})`];
}

function isEmpty(attributes: Attributes): boolean {
  return Object.keys(attributes).length === 0;
}
