/**
 * The impressions of a join window, in the order of the log, and indexed by the fingerprint of
 * their ranking's id. An impression is undecided at first; a decided one stays while late labels
 * may come.
 *
 * Each impression is one record of bytes, its rows behind a header. There are hundreds of thousands
 * of them for half an hour: as objects they would be most of the heap, and the garbage collector
 * would stop the thread to mark them. A header is
 *
 *     f64  address of the next older record, of the next newer record; -1 = none
 *     f64  atMs, openedAtMs, offset, logSampleRate
 *     u32  the id's fingerprint, low and high word; the sampling key; length of the rows, bytes
 *     u32  1 = decided; 1 = awaits reports of shown items; the user's fingerprint, two words
 */
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { invariant } from "../../structures/invariant.ts";
import type { NumberMemory } from "../../structures/number_memory.ts";
import { type RecordAddress, RecordStore } from "../../structures/record_store.ts";

/** A held impression without its rows. */
export interface ImpressionHeader {
  /** Fingerprint of the ranking id. */
  readonly fingerprint: Fingerprint;
  /** Fingerprint of the user's id. */
  readonly user: Fingerprint;
  readonly samplingKey: number;
  readonly atMs: number;
  /** The data clock when the record was read, so that windows close in the order of the log. */
  readonly openedAtMs: number;
  /** Offset of the impression in the event log. */
  readonly offset: number;
  /** ln(share) of the items without an action that the rows hold; 0 where all are there. */
  readonly logSampleRate: number;
  /** Whether only items that a report or an action names count as shown. */
  readonly awaitsShown: boolean;
}

/** A held impression; valid until the next {@link HeldImpressions.remove}. */
export interface HeldImpression extends ImpressionHeader {
  readonly address: RecordAddress;
  readonly isDecided: boolean;
  /** Holds the rows, from byte `begin` on. */
  readonly memory: NumberMemory;
  readonly begin: number;
}

/** The record of an impression has a new address. */
export type OnMoved = (from: RecordAddress, to: RecordAddress) => void;

const HEADER_DOUBLES = 10;
const HEADER_BYTES = 8 * HEADER_DOUBLES;
/** Doubles from the header's beginning. */
const [OLDER, NEWER, AT_MS, OPENED_AT_MS, OFFSET, LOG_SAMPLE_RATE] = [0, 1, 2, 3, 4, 5];
/** Words from the header's beginning. */
const [LOW, HIGH, SAMPLING_KEY, ROWS_BYTES, DECIDED, AWAITS_SHOWN] = [12, 13, 14, 15, 16, 17];
const [USER_LOW, USER_HIGH] = [18, 19];
const NONE = -1;
/** In place of the next older record: the record is removed. */
const REMOVED = -2;

/** Memory beyond twice the impressions' bytes from which records are moved together, bytes. */
const SLACK_BYTES = 8 * 2 ** 20;

/** An entry's share of the index just after it grew: 16 bytes a cell, 5 of 16 cells taken. */
const INDEX_BYTES_MAX = Math.ceil(16 * 16 / 5);

/** Memory of a held impression whose rows take `rowsBytes`, bytes. */
export function impressionBytes(rowsBytes: number): number {
  return 8 * Math.ceil((HEADER_BYTES + rowsBytes) / 8) + INDEX_BYTES_MAX;
}

export class HeldImpressions {
  readonly #records = new RecordStore();
  readonly #addresses = new FingerprintMap();
  readonly #onMoved: OnMoved;
  #bytes = 0;
  #oldest = NONE;
  #newest = NONE;
  /** The first undecided impression in the order of the log. */
  #oldestUndecided = NONE;
  #undecided = 0;

  /** @param onMoved Called when {@link remove} moves the record of another impression. */
  constructor(onMoved: OnMoved = () => {}) {
    this.#onMoved = onMoved;
  }

  get size(): number {
    return this.#addresses.size;
  }

  /** Impressions that are undecided. */
  get undecided(): number {
    return this.#undecided;
  }

  /** Memory that holds the records, bytes: at most about twice {@link bytes}, plus 8 MiB. */
  get memoryBytes(): number {
    return this.#records.bytes;
  }

  /**
   * The sum of {@link impressionBytes}. It is compared with a limit, so it depends only on which
   * impressions are held and not on where reading began.
   */
  get bytes(): number {
    return this.#bytes;
  }

  /** The first impression in the order of the log. */
  get oldest(): HeldImpression | undefined {
    return this.#oldest === NONE ? undefined : this.#read(this.#oldest);
  }

  /** Offset of {@link oldest}; Infinity if there is none. */
  get oldestOffset(): number {
    return this.#oldest === NONE ? Infinity : this.#double(this.#oldest, OFFSET);
  }

  /** The first undecided impression in the order of the log. */
  get oldestUndecided(): HeldImpression | undefined {
    return this.#oldestUndecided === NONE ? undefined : this.#read(this.#oldestUndecided);
  }

  find(fingerprint: Fingerprint): HeldImpression | undefined {
    const address = this.#addresses.get(fingerprint);
    return address === undefined ? undefined : this.#read(address);
  }

  /** Fingerprints of the rankings of a user, in the order of the log. Visits every impression. */
  ofUser({ low, high }: Fingerprint): Fingerprint[] {
    const found: Fingerprint[] = [];
    for (let address = this.#oldest; address !== NONE; address = this.#double(address, NEWER)) {
      const { words } = this.#records.chunkOf(address).memory;
      const begin = 2 * this.#records.beginOf(address);
      if (words[begin + USER_LOW] !== low || words[begin + USER_HIGH] !== high) continue;
      found.push({ low: words[begin + LOW], high: words[begin + HIGH] });
    }
    return found;
  }

  /** The impressions in the order of the log, each valid until the next change. */
  *all(): Iterable<HeldImpression> {
    for (let address = this.#oldest; address !== NONE; address = this.#double(address, NEWER)) {
      yield this.#read(address);
    }
  }

  /** A copy of the rows of an impression. */
  rowsOf({ memory, begin }: HeldImpression): Uint8Array {
    const rowsBytes = memory.words[begin / 4 - HEADER_BYTES / 4 + ROWS_BYTES];
    return memory.bytes.slice(begin, begin + rowsBytes);
  }

  /** Adds an impression behind all others. */
  add(header: ImpressionHeader, rows: Uint8Array): void {
    invariant(!this.#addresses.has(header.fingerprint), "an impression is held once");
    invariant(
      this.#newest === NONE || header.offset > this.#double(this.#newest, OFFSET),
      "impressions are added in the order of the log",
    );
    const address = this.#records.reserve(HEADER_BYTES + rows.byteLength);
    const { memory, doubles } = this.#records.chunkOf(address);
    const begin = this.#records.beginOf(address);
    doubles[begin + OLDER] = this.#newest;
    doubles[begin + NEWER] = NONE;
    doubles[begin + AT_MS] = header.atMs;
    doubles[begin + OPENED_AT_MS] = header.openedAtMs;
    doubles[begin + OFFSET] = header.offset;
    doubles[begin + LOG_SAMPLE_RATE] = header.logSampleRate;
    memory.words[2 * begin + LOW] = header.fingerprint.low;
    memory.words[2 * begin + HIGH] = header.fingerprint.high;
    memory.words[2 * begin + SAMPLING_KEY] = header.samplingKey;
    memory.words[2 * begin + ROWS_BYTES] = rows.byteLength;
    memory.words[2 * begin + DECIDED] = 0;
    memory.words[2 * begin + AWAITS_SHOWN] = header.awaitsShown ? 1 : 0;
    memory.words[2 * begin + USER_LOW] = header.user.low;
    memory.words[2 * begin + USER_HIGH] = header.user.high;
    memory.bytes.set(rows, 8 * begin + HEADER_BYTES);
    this.#link(this.#newest, address);
    this.#newest = address;
    this.#addresses.set(header.fingerprint, address);
    if (this.#oldestUndecided === NONE) this.#oldestUndecided = address;
    this.#undecided++;
    this.#bytes += impressionBytes(rows.byteLength);
  }

  /** Marks an undecided impression as decided; it stays. */
  decide({ address }: HeldImpression): void {
    invariant(!this.#isDecided(address), "an impression is decided once");
    if (address === this.#oldestUndecided) this.#oldestUndecided = this.#undecidedAfter(address);
    const { memory } = this.#records.chunkOf(address);
    memory.words[2 * this.#records.beginOf(address) + DECIDED] = 1;
    this.#undecided--;
  }

  /** Removes an impression. No {@link HeldImpression} that was read before may be used after. */
  remove({ address, fingerprint }: HeldImpression): void {
    const { memory, doubles } = this.#records.chunkOf(address);
    const begin = this.#records.beginOf(address);
    const rowsBytes = memory.words[2 * begin + ROWS_BYTES];
    this.#bytes -= impressionBytes(rowsBytes);
    const [older, newer] = [doubles[begin + OLDER], doubles[begin + NEWER]];
    if (!this.#isDecided(address)) this.#undecided--;
    if (address === this.#oldestUndecided) this.#oldestUndecided = this.#undecidedAfter(address);
    this.#link(older, newer);
    if (newer === NONE) this.#newest = older;
    doubles[begin + OLDER] = REMOVED;
    invariant(this.#addresses.delete(fingerprint), "a removed impression was held");
    this.#records.remove(address, HEADER_BYTES + rowsBytes);
    if (this.#records.bytes > 2 * this.#bytes + SLACK_BYTES) this.#compact();
    invariant(
      (this.size === 0) === (this.#oldest === NONE) && (this.size > 0 || this.#bytes === 0),
      "list, index and bytes hold the same impressions",
    );
  }

  /**
   * Moves the records of one sparse chunk together with the newest ones, which frees its memory. An
   * impression that stays while all others of its chunk are removed would keep 256 KiB.
   */
  #compact(): void {
    const sparse = this.#records.takeSparse();
    if (sparse === undefined) return;
    let address = sparse.begin;
    for (let left = sparse.records; left > 0;) {
      const { memory, doubles } = this.#records.chunkOf(address);
      const begin = this.#records.beginOf(address);
      const bytes = HEADER_BYTES + memory.words[2 * begin + ROWS_BYTES];
      if (doubles[begin + OLDER] !== REMOVED) {
        this.#move(address, bytes);
        left--;
      }
      address += Math.ceil(bytes / 8);
    }
  }

  #move(from: RecordAddress, bytes: number): void {
    const to = this.#records.reserve(bytes);
    const source = this.#records.chunkOf(from).doubles;
    const target = this.#records.chunkOf(to);
    const [sourceBegin, begin] = [this.#records.beginOf(from), this.#records.beginOf(to)];
    const doubles = Math.ceil(bytes / 8);
    target.doubles.set(source.subarray(sourceBegin, sourceBegin + doubles), begin);
    source[sourceBegin + OLDER] = REMOVED;
    this.#link(target.doubles[begin + OLDER], to);
    this.#link(to, target.doubles[begin + NEWER]);
    if (this.#newest === from) this.#newest = to;
    if (this.#oldestUndecided === from) this.#oldestUndecided = to;
    const { words } = target.memory;
    this.#addresses.set({ low: words[2 * begin + LOW], high: words[2 * begin + HIGH] }, to);
    this.#onMoved(from, to);
    this.#records.remove(from, bytes);
  }

  /** Makes the two records neighbours in the list; either may be {@link NONE}. */
  #link(older: RecordAddress, newer: RecordAddress): void {
    if (older === NONE) this.#oldest = newer;
    else this.#setDouble(older, NEWER, newer);
    if (newer !== NONE) this.#setDouble(newer, OLDER, older);
  }

  #isDecided(address: RecordAddress): boolean {
    const { memory } = this.#records.chunkOf(address);
    return memory.words[2 * this.#records.beginOf(address) + DECIDED] === 1;
  }

  /** The next undecided impression in the order of the log; {@link NONE} if there is none. */
  #undecidedAfter(address: RecordAddress): RecordAddress {
    let next = this.#double(address, NEWER);
    while (next !== NONE && this.#isDecided(next)) next = this.#double(next, NEWER);
    return next;
  }

  #double(address: RecordAddress, field: number): number {
    return this.#records.chunkOf(address).doubles[this.#records.beginOf(address) + field];
  }

  #setDouble(address: RecordAddress, field: number, value: number): void {
    this.#records.chunkOf(address).doubles[this.#records.beginOf(address) + field] = value;
  }

  #read(address: RecordAddress): HeldImpression {
    const { memory, doubles } = this.#records.chunkOf(address);
    const begin = this.#records.beginOf(address);
    return {
      address,
      isDecided: memory.words[2 * begin + DECIDED] === 1,
      memory,
      begin: 8 * begin + HEADER_BYTES,
      fingerprint: {
        low: memory.words[2 * begin + LOW],
        high: memory.words[2 * begin + HIGH],
      },
      user: {
        low: memory.words[2 * begin + USER_LOW],
        high: memory.words[2 * begin + USER_HIGH],
      },
      samplingKey: memory.words[2 * begin + SAMPLING_KEY],
      atMs: doubles[begin + AT_MS],
      openedAtMs: doubles[begin + OPENED_AT_MS],
      offset: doubles[begin + OFFSET],
      logSampleRate: doubles[begin + LOG_SAMPLE_RATE],
      awaitsShown: memory.words[2 * begin + AWAITS_SHOWN] === 1,
    };
  }
}
