/**
 * Requires a configured API key. The presented key is compared with every configured key to its
 * last byte, so that the response time does not reveal how much of a guess was right.
 */
import { ProblemError } from "../problems.ts";

const utf8 = new TextEncoder();
const bearerPattern = /^Bearer +(.+)$/i;

/**
 * @param keys Accepted keys; empty = no key is needed.
 * @returns Throws the problem `unauthorized` for a request without one of the keys.
 */
export function apiKeys(keys: readonly string[]): (headers: Headers) => void {
  const known = keys.map((key) => utf8.encode(key));
  return (headers) => {
    if (known.length === 0) return;
    const presented = bearerPattern.exec(headers.get("authorization") ?? "")?.[1].trim() ??
      headers.get("x-api-key");
    if (presented === null) {
      throw unauthorized("The request carries no API key.");
    }
    const guess = utf8.encode(presented);
    let found = false;
    for (const key of known) found = equalInConstantTime(guess, key) || found;
    if (!found) throw unauthorized("The API key is not one of this server's keys.");
  };
}

function unauthorized(cause: string): ProblemError {
  return new ProblemError(
    "unauthorized",
    `${cause} Send one that gateway.apiKeys lists, as "Authorization: Bearer KEY" or "X-API-Key: KEY".`,
    { headers: { "www-authenticate": 'Bearer realm="cairn"' } },
  );
}

/** Compares in a time that depends only on the length of `guess`. */
function equalInConstantTime(guess: Uint8Array, key: Uint8Array): boolean {
  let difference = guess.length ^ key.length;
  for (let i = 0; i < guess.length; i++) difference |= guess[i] ^ key[i % key.length];
  return difference === 0;
}
