/**
 * A rolling hash over everything that happens in a run: two runs with the same hash took the same
 * course.
 *
 * A checkpoint of every 1,024th event is stored, so that the first differing event of two runs can
 * be found by running them again up to the last checkpoint that they share.
 */
import { fnv1a } from "../../structures/fnv1a.ts";

/** Events between two checkpoints. */
export const CHECKPOINT_EVENTS = 1_024;

/** Two lanes of 32 bits, each multiplied by a constant of its own. */
export class TraceHash {
  #low = 0x811c9dc5 | 0;
  #high = 0x1b873593 | 0;
  #events = 0;
  readonly #checkpoints: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #double = new Float64Array(1);
  readonly #words = new Uint32Array(this.#double.buffer);

  /** Events so far. */
  get events(): number {
    return this.#events;
  }

  /** The hash after each {@link CHECKPOINT_EVENTS} events. */
  get checkpoints(): readonly string[] {
    return this.#checkpoints;
  }

  /**
   * Adds one event.
   *
   * @param atMs Virtual time.
   * @param place The actor, log or client where it happened.
   * @param kind The message or operation.
   * @param number Tells it from others of its kind: a sequence, an offset, a status.
   */
  add(atMs: number, place: string, kind: string, number: number): void {
    this.#mixDouble(atMs);
    this.#mix(this.#numberOf(place));
    this.#mix(this.#numberOf(kind));
    this.#mixDouble(number);
    if (++this.#events % CHECKPOINT_EVENTS === 0) this.#checkpoints.push(this.digest());
  }

  /** Sixteen hexadecimal digits. */
  digest(): string {
    return hex(this.#high) + hex(this.#low);
  }

  #numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) this.#numbers.set(text, number = fnv1a(text));
    return number;
  }

  #mixDouble(value: number): void {
    this.#double[0] = value;
    this.#mix(this.#words[0]);
    this.#mix(this.#words[1]);
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(((this.#high << 5) | (this.#high >>> 27)) ^ word, 0x85ebca6b);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
