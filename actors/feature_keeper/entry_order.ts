/**
 * Entries in the order of their last records, as a linked list: an entry moves to the end in a few
 * steps, also while cursors walk over the list.
 */

/** The neighbours of an entry, which the order sets. */
export interface Ordered<E> {
  before: E | undefined;
  after: E | undefined;
}

/** The entry that a cursor gives next. */
interface Cursor<E> {
  next: E | undefined;
}

export class EntryOrder<E extends Ordered<E>> {
  #first: E | undefined;
  #last: E | undefined;
  /** Cursors that have not come to the end. */
  readonly #cursors = new Set<Cursor<E>>();

  get first(): E | undefined {
    return this.#first;
  }

  /** Puts an entry that is not in the order last. */
  append(entry: E): void {
    entry.before = this.#last;
    entry.after = undefined;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.after = entry;
    this.#last = entry;
    for (const cursor of this.#cursors) cursor.next ??= entry;
  }

  remove(entry: E): void {
    const { before, after } = entry;
    for (const cursor of this.#cursors) if (cursor.next === entry) cursor.next = after;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    entry.before = undefined;
    entry.after = undefined;
  }

  /**
   * Walks from the first entry to the last one of then: an entry that moves to the end is met again
   * there, and one that is removed before its turn is not met. Call `return` to end early.
   */
  entries(): Required<Pick<Iterator<E, undefined>, "next" | "return">> {
    const cursor: Cursor<E> = { next: this.#first };
    this.#cursors.add(cursor);
    const end = () => {
      this.#cursors.delete(cursor);
      cursor.next = undefined;
      return { value: undefined, done: true } as const;
    };
    return {
      next: () => {
        const entry = cursor.next;
        if (entry === undefined) return end();
        cursor.next = entry.after;
        return { value: entry, done: false };
      },
      return: end,
    };
  }
}
