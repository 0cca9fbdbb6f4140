/**
 * Lets a request through that shows a configured key. It is compared with every key to its last byte, so that the
 * time of an answer does not tell how near a guess was.
 */
import type { MiddlewareHandler } from "hono";
import type { GatewayEnv } from "../endpoint.ts";
import { ProblemError } from "../problems.ts";

const utf8 = new TextEncoder();
const bearer = /^Bearer +(.+)$/i;

/** @param keys The keys that open the door; empty = open to everyone. */
export function apiKeys(keys: readonly string[]): MiddlewareHandler<GatewayEnv> {
  const known = keys.map((key) => utf8.encode(key));
  return (context, next) => {
    if (known.length === 0) return next();
    const headers = context.req.raw.headers;
    const presented = bearer.exec(headers.get("authorization") ?? "")?.[1].trim() ??
      headers.get("x-api-key");
    if (presented === null) {
      throw unauthorized("The request carries no API key.");
    }
    const guess = utf8.encode(presented);
    let found = false;
    for (const key of known) found = equalInConstantTime(guess, key) || found;
    if (!found) throw unauthorized("The API key is not one of this server's keys.");
    return next();
  };
}

function unauthorized(cause: string): ProblemError {
  return new ProblemError(
    "unauthorized",
    `${cause} Send one that gateway.apiKeys lists, as "Authorization: Bearer KEY" or "X-API-Key: KEY".`,
    { headers: { "www-authenticate": 'Bearer realm="cairn"' } },
  );
}

/** Takes a time that depends on the guess's length alone. */
function equalInConstantTime(guess: Uint8Array, key: Uint8Array): boolean {
  let difference = guess.length ^ key.length;
  for (let i = 0; i < guess.length; i++) difference |= guess[i] ^ key[i % key.length];
  return difference === 0;
}
