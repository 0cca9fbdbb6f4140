/**
 * Ids that clients choose: of users, items, rankings and events.
 */

/**
 * 1 to 256 characters without control characters. Lone surrogates are refused, because features
 * hash the UTF-8 form and they have none.
 */
export const idPattern = /^[^\p{Cc}\p{Cs}]{1,256}$/u;
