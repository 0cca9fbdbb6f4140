/**
 * What items contribute to their rows, kept from one request to the next: 500 known candidates then cost copies of
 * a few words each instead of reading and hashing their attributes.
 *
 * A million items as objects weigh on the garbage collector, and a map of them stops the thread for 0.1 s and more
 * when it grows. Here they are records in a {@link RecordRing} behind an open-addressing index of fixed size.
 *
 * A record is `[the ring's word, hash, bytes of the id, the id's UTF-8 in whole words, payload]`.
 */
import { RecordRing } from "./record_ring.ts";
import { utf8BytesPerUnit, writeUtf8 } from "./utf8.ts";

const headerWords = 3;
/** Of the memory a quarter at most is index: 8 bytes an entry, while a record seldom takes less than 60. */
const bytesPerEntry = 32;
const entryBytes = 8;
const bytesMin = 4096;
/** Ids that need longer ways through the index are not kept: made to collide, they would slow everybody down. */
const probesMax = 256;

export class ItemCache {
  /** Payloads lie here, where {@link find} and {@link insert} say. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** The same memory as float32. */
  readonly floats: Float32Array<ArrayBuffer>;
  readonly #ring: RecordRing;
  readonly #hash: (words: Uint32Array, length: number) => number;
  /** Pairs of a hash and a record's position; position 0 = free. */
  readonly #index: Uint32Array<ArrayBuffer>;
  readonly #mask: number;
  readonly #itemsMax: number;
  #items = 0;
  /** The id in question: UTF-8, zeros up to a whole word, and its hash. */
  #key = new Uint32Array(64);
  #keyUtf8 = new Uint8Array(this.#key.buffer);
  #keyBytes = 0;
  #keyWords = 0;
  #keyHash = 0;

  /**
   * @param bytesMax Memory for records and index together, bytes; taken from the system as it fills. Below 4 KiB
   * nothing is kept.
   * @param hash Of `words[0 .. length]`, for tests. Default MurmurHash3.
   */
  constructor(bytesMax: number, hash = murmur3) {
    this.#hash = hash;
    const keeps = bytesMax >= bytesMin;
    const slots = keeps ? 2 ** Math.floor(Math.log2(bytesMax / bytesPerEntry)) : 1;
    this.#index = new Uint32Array(2 * slots);
    this.#mask = slots - 1;
    this.#itemsMax = Math.floor(slots * 5 / 8);
    this.#ring = new RecordRing(keeps ? Math.floor((bytesMax - entryBytes * slots) / 4) : 0, {
      evicted: (record) => this.#remove(this.#slotOf(record, this.words[record + 1])),
      moved: (from, to) => {
        this.#index[2 * this.#slotOf(from, this.words[to + 1]) + 1] = to;
      },
    });
    this.words = this.#ring.words;
    this.floats = new Float32Array(this.words.buffer);
  }

  /** Items kept. */
  get size(): number {
    return this.#items;
  }

  /** Where the item's payload begins in {@link words}; 0 = it is not kept. Good until the next {@link insert}. */
  find(id: string): number {
    this.#encode(id);
    const slot = this.#slotOfKey();
    if (slot < 0) return 0;
    const record = this.#index[2 * slot + 1];
    this.#ring.markUsed(record);
    return record + headerWords + this.#keyWords;
  }

  /**
   * Makes room for an item's payload, in place of the one that it had.
   *
   * @param payloadWords Its length.
   * @returns Where to write it in {@link words}; 0 = it is not kept.
   */
  insert(id: string, payloadWords: number): number {
    this.forget(id);
    const size = headerWords + this.#keyWords + payloadWords;
    if (size > this.words.length / 16) return 0; // it would push out everything else
    while (this.#items >= this.#itemsMax) this.#ring.dropOldest();
    const record = this.#ring.append(size);
    this.words[record + 1] = this.#keyHash;
    this.words[record + 2] = this.#keyBytes;
    const payload = record + headerWords + this.#keyWords;
    for (let i = 0; i < this.#keyWords; i++) this.words[record + headerWords + i] = this.#key[i];
    if (this.#enter(record)) return payload;
    this.#ring.remove(record);
    return 0;
  }

  /** The item changed: it is found no more. */
  forget(id: string): void {
    this.#encode(id);
    const slot = this.#slotOfKey();
    if (slot < 0) return;
    this.#ring.remove(this.#index[2 * slot + 1]);
    this.#remove(slot);
  }

  #slotOfKey(): number {
    const hash = this.#keyHash;
    let slot = hash & this.#mask;
    for (let probes = 0; probes < probesMax; probes++) {
      const record = this.#index[2 * slot + 1];
      if (record === 0) return -1;
      if (this.#index[2 * slot] === hash && this.#isOfKey(record)) return slot;
      slot = (slot + 1) & this.#mask;
    }
    return -1;
  }

  #isOfKey(record: number): boolean {
    if (this.words[record + 2] !== this.#keyBytes) return false;
    for (let i = 0; i < this.#keyWords; i++) {
      if (this.words[record + headerWords + i] !== this.#key[i]) return false;
    }
    return true;
  }

  #slotOf(record: number, hash: number): number {
    let slot = hash & this.#mask;
    while (this.#index[2 * slot + 1] !== record) slot = (slot + 1) & this.#mask;
    return slot;
  }

  #enter(record: number): boolean {
    const hash = this.words[record + 1];
    let slot = hash & this.#mask;
    for (let probes = 0; probes < probesMax; probes++) {
      if (this.#index[2 * slot + 1] === 0) {
        this.#index[2 * slot] = hash;
        this.#index[2 * slot + 1] = record;
        this.#items++;
        return true;
      }
      slot = (slot + 1) & this.#mask;
    }
    return false;
  }

  /** Entries behind move up, so that no way leads over a gap (Knuth, TAOCP 3, 6.4 algorithm R). */
  #remove(slot: number): void {
    let hole = slot;
    for (let next = (slot + 1) & this.#mask;; next = (next + 1) & this.#mask) {
      if (this.#index[2 * next + 1] === 0) break;
      const home = this.#index[2 * next] & this.#mask;
      if (((next - home) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#index[2 * hole] = this.#index[2 * next];
      this.#index[2 * hole + 1] = this.#index[2 * next + 1];
      hole = next;
    }
    this.#index[2 * hole + 1] = 0;
    this.#items--;
  }

  #encode(id: string): void {
    if (utf8BytesPerUnit * id.length + 4 > this.#keyUtf8.length) {
      this.#key = new Uint32Array(2 * id.length);
      this.#keyUtf8 = new Uint8Array(this.#key.buffer);
    }
    const utf8 = this.#keyUtf8;
    let bytes = writeUtf8(id, utf8, 0);
    this.#keyBytes = bytes;
    while ((bytes & 3) !== 0) utf8[bytes++] = 0;
    this.#keyWords = bytes >>> 2;
    this.#keyHash = this.#hash(this.#key, this.#keyWords);
  }
}

/** MurmurHash3 of whole words: Austin Appleby, 2008, x86 with 32 bits, seed 0. */
function murmur3(words: Uint32Array, length: number): number {
  let hash = 0;
  for (let i = 0; i < length; i++) {
    const word = Math.imul(words[i], 0xcc9e2d51);
    hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash ^= 4 * length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
