/**
 * Rankings that wait for actions, in the order of the log, and indexed by the fingerprint of their
 * id.
 *
 * Each impression is one record of bytes, its rows behind a header. There are hundreds of thousands
 * of them for half an hour: as objects they would be most of the heap, and the garbage collector
 * would stop the thread to mark them. A header is
 *
 *     f64  address of the next older record, of the next newer record; -1 = none
 *     f64  atMs, openedAtMs, offset
 *     u32  the id's fingerprint, low and high word; the sampling key; length of the rows, bytes
 */
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { invariant } from "../../structures/invariant.ts";
import type { NumberMemory } from "../../structures/number_memory.ts";
import { type RecordAddress, RecordStore } from "../../structures/record_store.ts";

/** An open ranking without its rows. */
export interface ImpressionHeader {
  /** Fingerprint of the ranking id. */
  readonly fingerprint: Fingerprint;
  readonly samplingKey: number;
  readonly atMs: number;
  /** The data clock when the record was read, so that windows close in the order of the log. */
  readonly openedAtMs: number;
  /** Offset of the impression in the event log. */
  readonly offset: number;
}

/** An open ranking in memory. */
export interface OpenImpression extends ImpressionHeader {
  readonly address: RecordAddress;
  /** Holds the rows, from byte `begin` on. */
  readonly memory: NumberMemory;
  readonly begin: number;
}

const HEADER_DOUBLES = 7;
const HEADER_BYTES = 8 * HEADER_DOUBLES;
/** Doubles from the header's beginning. */
const [OLDER, NEWER, AT_MS, OPENED_AT_MS, OFFSET] = [0, 1, 2, 3, 4];
/** Words from the header's beginning. */
const [LOW, HIGH, SAMPLING_KEY, ROWS_BYTES] = [10, 11, 12, 13];
const NONE = -1;

/** An entry's share of the index just after it grew: 16 bytes a cell, 5 of 16 cells taken. */
const INDEX_BYTES_MAX = Math.ceil(16 * 16 / 5);

/** Memory of an open impression whose rows take `rowsBytes`, bytes. */
export function impressionBytes(rowsBytes: number): number {
  return 8 * Math.ceil((HEADER_BYTES + rowsBytes) / 8) + INDEX_BYTES_MAX;
}

export class OpenImpressions {
  readonly #records = new RecordStore();
  readonly #addresses = new FingerprintMap();
  #bytes = 0;
  #oldest = NONE;
  #newest = NONE;

  get size(): number {
    return this.#addresses.size;
  }

  /**
   * The sum of {@link impressionBytes}. It is compared with a limit, so it depends only on which
   * impressions are open and not on where reading began; the chunks of memory may take more while
   * impressions between others have been removed.
   */
  get bytes(): number {
    return this.#bytes;
  }

  /** The first open impression in the order of the log. */
  get oldest(): OpenImpression | undefined {
    return this.#oldest === NONE ? undefined : this.#read(this.#oldest);
  }

  find(fingerprint: Fingerprint): OpenImpression | undefined {
    const address = this.#addresses.get(fingerprint);
    return address === undefined ? undefined : this.#read(address);
  }

  /** Adds an impression behind all others. */
  add(header: ImpressionHeader, rows: Uint8Array): void {
    invariant(!this.#addresses.has(header.fingerprint), "a ranking is open once");
    const address = this.#records.reserve(HEADER_BYTES + rows.byteLength);
    const { memory, doubles } = this.#records.chunkOf(address);
    const begin = this.#records.beginOf(address);
    doubles[begin + OLDER] = this.#newest;
    doubles[begin + NEWER] = NONE;
    doubles[begin + AT_MS] = header.atMs;
    doubles[begin + OPENED_AT_MS] = header.openedAtMs;
    doubles[begin + OFFSET] = header.offset;
    memory.words[2 * begin + LOW] = header.fingerprint.low;
    memory.words[2 * begin + HIGH] = header.fingerprint.high;
    memory.words[2 * begin + SAMPLING_KEY] = header.samplingKey;
    memory.words[2 * begin + ROWS_BYTES] = rows.byteLength;
    memory.bytes.set(rows, 8 * begin + HEADER_BYTES);
    if (this.#newest !== NONE) {
      invariant(
        header.offset > this.#double(this.#newest, OFFSET),
        "impressions open in the order of the log",
      );
    }
    this.#link(this.#newest, address);
    this.#newest = address;
    this.#addresses.set(header.fingerprint, address);
    this.#bytes += impressionBytes(rows.byteLength);
  }

  /** Removes an impression; its address may be reused from now on. */
  remove({ address, fingerprint }: OpenImpression): void {
    const { memory, doubles } = this.#records.chunkOf(address);
    const begin = this.#records.beginOf(address);
    this.#bytes -= impressionBytes(memory.words[2 * begin + ROWS_BYTES]);
    const [older, newer] = [doubles[begin + OLDER], doubles[begin + NEWER]];
    this.#link(older, newer);
    if (newer === NONE) this.#newest = older;
    invariant(this.#addresses.delete(fingerprint), "a removed impression was open");
    this.#records.remove(address);
    invariant(
      (this.size === 0) === (this.#oldest === NONE) && (this.size > 0 || this.#bytes === 0),
      "list, index and bytes hold the same impressions",
    );
  }

  /** Makes the two records neighbours in the list; either may be {@link NONE}. */
  #link(older: RecordAddress, newer: RecordAddress): void {
    if (older === NONE) this.#oldest = newer;
    else this.#setDouble(older, NEWER, newer);
    if (newer !== NONE) this.#setDouble(newer, OLDER, older);
  }

  #double(address: RecordAddress, field: number): number {
    return this.#records.chunkOf(address).doubles[this.#records.beginOf(address) + field];
  }

  #setDouble(address: RecordAddress, field: number, value: number): void {
    this.#records.chunkOf(address).doubles[this.#records.beginOf(address) + field] = value;
  }

  #read(address: RecordAddress): OpenImpression {
    const { memory, doubles } = this.#records.chunkOf(address);
    const begin = this.#records.beginOf(address);
    return {
      address,
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
