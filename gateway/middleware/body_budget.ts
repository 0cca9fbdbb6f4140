/**
 * Bounds the memory of all request bodies together. Without it, `requestsInFlightMax` bodies of
 * `bodyBytesMax` each could be in memory at once.
 */
import { invariant } from "../../structures/invariant.ts";
import { ProblemError } from "../problems.ts";

export class BodyBudget {
  readonly #bytesMax: number;
  #bytesHeld = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The share of a new request. */
  hold(): BodyHold {
    return new BodyHold(this);
  }

  /** @throws {ProblemError} `overloaded` when all bodies together would be too large. */
  take(bytes: number): void {
    if (this.#bytesHeld + bytes > this.#bytesMax) {
      throw new ProblemError(
        "overloaded",
        `The bodies of the requests in progress have ${this.#bytesHeld} bytes, and ` +
          `gateway.bodiesMax is ${this.#bytesMax}.`,
      );
    }
    this.#bytesHeld += bytes;
  }

  giveBack(bytes: number): void {
    this.#bytesHeld -= bytes;
    invariant(this.#bytesHeld >= 0, "each held byte is given back once");
  }
}

/** The share of one request. */
export class BodyHold {
  readonly #budget: BodyBudget;
  #bytes = 0;
  #isReleased = false;

  constructor(budget: BodyBudget) {
    this.#budget = budget;
  }

  /**
   * Adds bytes that have arrived.
   *
   * @throws {ProblemError} `overloaded` when all bodies together would be too large.
   */
  add(bytes: number): void {
    // A chunk may arrive after the body was given up.
    if (this.#isReleased) return;
    this.#budget.take(bytes);
    this.#bytes += bytes;
  }

  /** Gives the bytes back: the request is answered. */
  release(): void {
    this.#isReleased = true;
    this.#budget.giveBack(this.#bytes);
    this.#bytes = 0;
  }
}
