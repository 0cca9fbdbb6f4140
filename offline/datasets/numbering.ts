/**
 * Numbers texts in the order of their first appearance.
 */
export class Numbering {
  /** Texts by number. */
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  /** The number of a text; a new text gets the next one. */
  of(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.names.length);
    return this.names.push(name) - 1;
  }

  /** The number of a text; undefined for a text that has none. */
  find(name: string): number | undefined {
    return this.#numbers.get(name);
  }
}
