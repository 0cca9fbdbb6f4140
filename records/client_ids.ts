/**
 * Ids that clients choose: of users, items, rankings and events.
 */

/** Characters of an id. */
export const ID_CHARACTERS_MAX = 256;

/**
 * 1 to 256 characters without control characters. Lone surrogates are refused, because features
 * hash the UTF-8 form and they have none.
 */
export const idPattern = new RegExp(`^[^\\p{Cc}\\p{Cs}]{1,${ID_CHARACTERS_MAX}}$`, "u");
