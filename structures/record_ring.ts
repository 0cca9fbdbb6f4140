/**
 * Records of any size in one array, written round and round: when it is full the oldest goes, unless it was used since
 * it was written; then it is written once more (CLOCK, as a log). A new record costs at most a few moves.
 *
 * The array is as long as it will ever be, so nothing is copied as it fills; the system gives the memory page by page.
 *
 * @see Corbató, "A Paging Experiment with the Multics System", 1968
 */
const sizeMask = 0x3fff_ffff;
const usedMark = 0x4000_0000;
/** Removed, or no record at all: what is left over before the array's end. */
const deadMark = 0x8000_0000;

/** Records that one new record may have written once more; further ones go even if they were used. */
const movesMax = 8;

export interface RecordRingOwner {
  /** The record went. */
  evicted(position: number): void;
  /** The record is elsewhere now; nothing can be read at `from` any more. */
  moved(from: number, to: number): void;
}

export class RecordRing {
  /** Word 0 of a record is the ring's: its size and marks. The others are the owner's. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly #owner: RecordRingOwner;
  /** Records lie from tail to head. Position 0 is nobody's. */
  #head = 1;
  #tail = 1;
  /** Words from tail to head: tells an empty ring from a full one. */
  #filled = 0;

  constructor(wordsMax: number, owner: RecordRingOwner) {
    this.words = new Uint32Array(wordsMax);
    this.#owner = owner;
  }

  /**
   * A new record, its own words undefined.
   *
   * @param size Words, its first included; at most a sixteenth of the ring.
   * @returns Its position.
   */
  append(size: number): number {
    for (let moves = 0; this.#roomAtHead() < size;) {
      if (this.#head > this.#tail) this.#wrap();
      else if (moves < movesMax && this.#isUsed(this.#tail)) {
        this.#moveOldest();
        moves++;
      } else this.dropOldest();
    }
    return this.#take(size);
  }

  markUsed(position: number): void {
    this.words[position] |= usedMark;
  }

  /** Its room comes back when it is the oldest. */
  remove(position: number): void {
    this.words[position] |= deadMark;
  }

  /** Evicts the oldest record, used or not. The ring must hold one. */
  dropOldest(): void {
    const position = this.#tail;
    const header = this.words[position];
    this.#leave(header & sizeMask);
    if ((header & deadMark) === 0) this.#owner.evicted(position);
  }

  #isUsed(position: number): boolean {
    return (this.words[position] & (usedMark | deadMark)) === usedMark;
  }

  /** To the head: the room there and the record's own, which lies right behind, are large enough. */
  #moveOldest(): void {
    const from = this.#tail;
    const size = this.words[from] & sizeMask;
    this.#leave(size);
    const to = this.#head;
    this.words.copyWithin(to, from, from + size);
    this.#take(size);
    this.#owner.moved(from, to);
  }

  #roomAtHead(): number {
    if (this.#filled === 0) this.#head = this.#tail = 1;
    const end = this.#head < this.#tail || (this.#head === this.#tail && this.#filled > 0)
      ? this.#tail
      : this.words.length;
    return end - this.#head;
  }

  /** A record is never split. */
  #wrap(): void {
    const rest = this.words.length - this.#head;
    if (rest > 0) {
      this.words[this.#head] = rest | deadMark;
      this.#filled += rest;
    }
    this.#head = 1;
  }

  #take(size: number): number {
    const position = this.#head;
    this.words[position] = size;
    this.#head += size;
    this.#filled += size;
    return position;
  }

  #leave(size: number): void {
    this.#tail += size;
    this.#filled -= size;
    if (this.#tail === this.words.length) this.#tail = 1;
  }
}
