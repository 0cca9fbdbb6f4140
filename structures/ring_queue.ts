/**
 * A first-in-first-out queue without an allocation per entry: a power-of-two ring that doubles when it is full.
 * Whoever owns it bounds its length.
 */
export class RingQueue<T> {
  #slots: (T | undefined)[];
  #head = 0;
  #length = 0;

  constructor(slots = 16) {
    this.#slots = new Array<T | undefined>(slots).fill(undefined);
  }

  get length(): number {
    return this.#length;
  }

  push(entry: T): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#length) & (this.#slots.length - 1)] = entry;
    this.#length++;
  }

  /** The entry that {@link shift} would take; undefined when there is none. */
  peek(): T | undefined {
    return this.#slots[this.#head];
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const entry = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#length--;
    return entry;
  }

  #grow(): void {
    const old = this.#slots;
    const grown = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#length; i++) grown[i] = old[(this.#head + i) & (old.length - 1)];
    this.#slots = grown;
    this.#head = 0;
  }
}
