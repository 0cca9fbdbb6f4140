/**
 * Repeatable randomness. Each named purpose has a stream of its own, derived from (seed, name), so
 * that a further draw for one purpose changes no other stream.
 *
 * @see https://pracrand.sourceforge.net/RNG_engines.txt (sfc32, by Chris Doty-Humphrey)
 */
import { fnv1a } from "../../structures/fnv1a.ts";
import type { Random, RandomStream } from "../ports/random.ts";

export class SeededRandom implements Random {
  readonly #seed: number;
  readonly #streams = new Map<string, RandomStream>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  stream(name: string): RandomStream {
    let stream = this.#streams.get(name);
    if (!stream) this.#streams.set(name, stream = new Sfc32(this.#seed, name));
    return stream;
  }

  /**
   * Unique within a run and the same in every run of the seed. A UUID of version 8 (custom, RFC
   * 9562).
   */
  uuid(purpose = ""): string {
    const stream = this.stream(`${purpose}/uuid`);
    const word = () => stream.nextUint32().toString(16).padStart(8, "0");
    const [a, b, c, d] = [word(), word(), word(), word()];
    return `${a}-${b.slice(0, 4)}-8${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
  }
}

class Sfc32 implements RandomStream {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    this.#a = Math.floor(seed) | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = fnv1a(name);
    for (let i = 0; i < 15; i++) this.nextUint32();
  }

  nextUint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  nextFloat(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }
}
