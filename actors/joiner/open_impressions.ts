/**
 * Rankings that wait for actions, in the order of the log, and found by their id.
 *
 * Each is one record of bytes, its rows behind a header, because there are hundreds of thousands for half an hour: as
 * objects they would be most of the heap, and the garbage collector would stop the thread to mark them. A header is
 *
 *     f64  the next older record's place, the next newer one's; -1 = none
 *     f64  atMs, openedAtMs, offset
 *     u32  the id's fingerprint, low and high word; the sampling key; bytes of the rows
 */
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import type { NumberMemory } from "../../structures/number_memory.ts";
import { type RecordAddress, RecordStore } from "../../structures/record_store.ts";

/** What is known of a ranking beside its rows. */
export interface ImpressionHeader {
  /** Of its id. */
  readonly fingerprint: Fingerprint;
  readonly samplingKey: number;
  readonly atMs: number;
  /** The data clock when the record was read, so that windows close in the order of the log. */
  readonly openedAtMs: number;
  /** Of its record in the event log. */
  readonly offset: number;
}

/** A ranking as it lies here. */
export interface OpenImpression extends ImpressionHeader {
  readonly place: RecordAddress;
  /** Where its rows lie, from byte `begin` on. */
  readonly memory: NumberMemory;
  readonly begin: number;
}

const HEADER_DOUBLES = 7;
const HEADER_BYTES = 8 * HEADER_DOUBLES;
const [OLDER, NEWER, AT_MS, OPENED_AT_MS, OFFSET] = [0, 1, 2, 3, 4];
/** Words from the header's beginning. */
const [LOW, HIGH, SAMPLING_KEY, ROWS_BYTES] = [10, 11, 12, 13];
const NONE = -1;

/** An entry's share of the index at its emptiest: 16 bytes a slot, and 5 of 16 slots taken when it has just grown. */
const INDEX_BYTES_MAX = Math.ceil(16 * 16 / 5);

/** What an impression takes whose rows take so many bytes. */
export function impressionBytes(rowsBytes: number): number {
  return 8 * Math.ceil((HEADER_BYTES + rowsBytes) / 8) + INDEX_BYTES_MAX;
}

export class OpenImpressions {
  readonly #records = new RecordStore();
  readonly #places = new FingerprintMap();
  #bytes = 0;
  #oldestPlace = NONE;
  #newestPlace = NONE;

  get size(): number {
    return this.#places.size;
  }

  /**
   * The sum of their {@link impressionBytes}: what a limit is compared with, and so the same wherever reading began. Their
   * chunks may take more while many between them are decided early.
   */
  get bytes(): number {
    return this.#bytes;
  }

  /** The first of them in the order of the log. */
  get oldest(): OpenImpression | undefined {
    return this.#oldestPlace === NONE ? undefined : this.#read(this.#oldestPlace);
  }

  find(fingerprint: Fingerprint): OpenImpression | undefined {
    const place = this.#places.get(fingerprint);
    return place === undefined ? undefined : this.#read(place);
  }

  /** Takes one in behind all others. None of the same fingerprint may be there. */
  add(header: ImpressionHeader, rows: Uint8Array): void {
    const place = this.#records.reserve(HEADER_BYTES + rows.byteLength);
    const { memory, doubles } = this.#records.chunkOf(place);
    const begin = this.#records.beginOf(place);
    doubles[begin + OLDER] = this.#newestPlace;
    doubles[begin + NEWER] = NONE;
    doubles[begin + AT_MS] = header.atMs;
    doubles[begin + OPENED_AT_MS] = header.openedAtMs;
    doubles[begin + OFFSET] = header.offset;
    memory.words[2 * begin + LOW] = header.fingerprint.low;
    memory.words[2 * begin + HIGH] = header.fingerprint.high;
    memory.words[2 * begin + SAMPLING_KEY] = header.samplingKey;
    memory.words[2 * begin + ROWS_BYTES] = rows.byteLength;
    memory.bytes.set(rows, 8 * begin + HEADER_BYTES);
    this.#link(this.#newestPlace, place);
    this.#newestPlace = place;
    this.#places.set(header.fingerprint, place);
    this.#bytes += impressionBytes(rows.byteLength);
  }

  /** Lets it go. Its place is another's from now on. */
  remove({ place, fingerprint }: OpenImpression): void {
    const { memory, doubles } = this.#records.chunkOf(place);
    const begin = this.#records.beginOf(place);
    this.#bytes -= impressionBytes(memory.words[2 * begin + ROWS_BYTES]);
    const [older, newer] = [doubles[begin + OLDER], doubles[begin + NEWER]];
    this.#link(older, newer);
    if (newer === NONE) this.#newestPlace = older;
    this.#places.delete(fingerprint);
    this.#records.remove(place);
  }

  /** Makes two neighbours; either may be none. */
  #link(older: RecordAddress, newer: RecordAddress): void {
    if (older === NONE) this.#oldestPlace = newer;
    else this.#setDouble(older, NEWER, newer);
    if (newer !== NONE) this.#setDouble(newer, OLDER, older);
  }

  #setDouble(place: RecordAddress, field: number, value: number): void {
    this.#records.chunkOf(place).doubles[this.#records.beginOf(place) + field] = value;
  }

  #read(place: RecordAddress): OpenImpression {
    const { memory, doubles } = this.#records.chunkOf(place);
    const begin = this.#records.beginOf(place);
    return {
      place,
      memory,
      begin: 8 * begin + HEADER_BYTES,
      fingerprint: {
        low: memory.words[2 * begin + LOW],
        high: memory.words[2 * begin + HIGH],
      },
      samplingKey: memory.words[2 * begin + SAMPLING_KEY],
      atMs: doubles[begin + AT_MS],
      openedAtMs: doubles[begin + OPENED_AT_MS],
      offset: doubles[begin + OFFSET],
    };
  }
}
