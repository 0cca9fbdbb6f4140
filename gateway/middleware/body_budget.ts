/**
 * Bounds the memory of all request bodies together. Without it, `requestsInFlightMax` bodies of
 * `bodyBytesMax` each could be in memory at once.
 */
import type { MiddlewareHandler } from "hono";
import { invariant } from "../../structures/invariant.ts";
import type { GatewayEnv } from "../endpoint.ts";
import { ProblemError } from "../problems.ts";

/** The share of one request. */
export interface BodyHold {
  /**
   * Adds bytes that have arrived.
   *
   * @throws {ProblemError} `overloaded` when all bodies together would be too large.
   */
  add(bytes: number): void;
}

/** Gives each request its hold, and takes the bytes back when the request is answered. */
export function bodyBudget(bytesMax: number): MiddlewareHandler<GatewayEnv> {
  let bytesHeld = 0;
  return async (context, next) => {
    let own = 0;
    let isAnswered = false;
    const hold: BodyHold = {
      add(bytes) {
        // A chunk may arrive after the body was given up.
        if (isAnswered) return;
        if (bytesHeld + bytes > bytesMax) {
          throw new ProblemError(
            "overloaded",
            `The bodies of the requests in progress have ${bytesHeld} bytes, and ` +
              `gateway.bodiesMax is ${bytesMax}.`,
          );
        }
        bytesHeld += bytes;
        own += bytes;
      },
    };
    context.set("bodyHold", hold);
    try {
      await next();
    } finally {
      isAnswered = true;
      bytesHeld -= own;
      invariant(bytesHeld >= 0, "each held byte is given back once");
    }
  };
}
