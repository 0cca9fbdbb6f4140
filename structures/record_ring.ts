/**
 * Records of any size in one array that is written round and round. When it is full the oldest
 * record goes, unless it was used since it was written; then it is written once more (CLOCK, as a
 * log). A new record costs at most a few moves.
 *
 * The array has its final length from the start, so nothing is copied as it fills; the system gives
 * the memory page by page.
 *
 * @see Corbató, "A Paging Experiment with the Multics System", 1968
 */
import { invariant } from "./invariant.ts";

const SIZE_MASK = 0x3fff_ffff;
const USED_MARK = 0x4000_0000;
/** The record was removed, or is the filler before the array's end. */
const DEAD_MARK = 0x8000_0000;

/**
 * Used records that one new record may move to the head; further ones are evicted even if they were
 * used.
 */
const MOVES_MAX = 8;

/** Told of records that the ring evicts or moves. */
export interface RecordRingOwner {
  /** The record is gone. */
  evicted(position: number): void;
  /** The record lies at `to` now; its words at `from` are no longer valid. */
  moved(from: number, to: number): void;
}

/** A cache of records that evicts the oldest unused one. */
export class RecordRing {
  /** Word 0 of a record belongs to the ring: its size and marks. The others belong to the owner. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly #owner: RecordRingOwner;
  /**
   * Records lie from tail to head. Position 0 is never given out, so that an index may use 0 for
   * "none".
   */
  #head = 1;
  #tail = 1;
  /** Words from tail to head: tells an empty ring from a full one. */
  #filled = 0;
  #wordsWritten = 1;

  /** @param wordsMax Length of the array, words of 4 bytes; at most 2^30. */
  constructor(wordsMax: number, owner: RecordRingOwner) {
    this.words = new Uint32Array(wordsMax);
    this.#owner = owner;
  }

  /** Words from the array's beginning that have been written; later ones take no memory yet. */
  get wordsWritten(): number {
    return this.#wordsWritten;
  }

  /**
   * Makes room for a new record, whose words behind the first are undefined.
   *
   * @param size Words, the ring's own included; at most a sixteenth of the ring.
   * @returns The record's position.
   */
  append(size: number): number {
    invariant(size > 0 && size < this.words.length, "a record fits into its ring");
    for (let moves = 0; this.#roomAtHead() < size;) {
      if (this.#head > this.#tail) this.#wrap();
      else if (moves < MOVES_MAX && this.#isUsed(this.#tail)) {
        this.#moveOldest();
        moves++;
      } else this.dropOldest();
    }
    return this.#take(size);
  }

  /** Notes that the record was used: it outlives its next turn at the tail. */
  markUsed(position: number): void {
    this.words[position] |= USED_MARK;
  }

  /**
   * Drops a record without telling the owner. Its room is used again when it has become the oldest.
   */
  remove(position: number): void {
    this.words[position] |= DEAD_MARK;
  }

  /** Evicts the oldest record, used or not. The ring must hold one. */
  dropOldest(): void {
    invariant(this.#filled > 0, "a ring that drops a record holds one");
    const position = this.#tail;
    const header = this.words[position];
    this.#leave(header & SIZE_MASK);
    if ((header & DEAD_MARK) === 0) this.#owner.evicted(position);
  }

  #isUsed(position: number): boolean {
    return (this.words[position] & (USED_MARK | DEAD_MARK)) === USED_MARK;
  }

  /**
   * Moves the oldest record to the head: the room there and the record's own, right behind it, are
   * large enough.
   */
  #moveOldest(): void {
    const from = this.#tail;
    const size = this.words[from] & SIZE_MASK;
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
      this.words[this.#head] = rest | DEAD_MARK;
      this.#filled += rest;
    }
    this.#head = 1;
  }

  #take(size: number): number {
    const position = this.#head;
    this.words[position] = size;
    this.#head += size;
    this.#wordsWritten = Math.max(this.#wordsWritten, this.#head);
    this.#filled += size;
    return position;
  }

  #leave(size: number): void {
    this.#tail += size;
    this.#filled -= size;
    invariant(this.#filled >= 0, "records between tail and head are as many words as are filled");
    if (this.#tail === this.words.length) this.#tail = 1;
  }
}
