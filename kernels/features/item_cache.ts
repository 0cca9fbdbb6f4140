/**
 * What items contribute to their rows, kept from one request to the next: 500 known candidates then cost copies of
 * a few words each instead of reading and hashing their attributes.
 *
 * A million items as objects weigh on the garbage collector, and a map of them stops the thread for 0.1 s and more
 * when it grows. Here they are records in a {@link RecordRing} behind an open-addressing index of fixed size.
 *
 * A record is `[the ring's word, hash, bytes of the id, the id's UTF-8 in whole words, payload]`.
 */
import { RecordRing } from "../../structures/record_ring.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../../structures/utf8.ts";

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
  readonly #hash: WordsHash;
  /** Pairs of a hash and a record's position; position 0 = free. */
  readonly #index: Uint32Array<ArrayBuffer>;
  readonly #mask: number;
  readonly #itemsMax: number;
  #items = 0;
  /** Ids in question, one after another: UTF-8, zeros up to a whole word. */
  #keys = new Uint32Array(64);
  #keysUtf8 = new Uint8Array(this.#keys.buffer);
  /** The one in question: where it begins and ends, and its hash. */
  #keyAt = 0;
  #keyEnd = 0;
  #keyBytes = 0;
  #keyHash = 0;
  /** Of each of many. */
  #many = new KeyColumns(0);

  /**
   * @param bytesMax Memory for records and index together, bytes; taken from the system as it fills. Below 4 KiB
   * nothing is kept.
   * @param hash For tests. Default MurmurHash3.
   */
  constructor(bytesMax: number, hash: WordsHash = murmur3) {
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
    this.#encode(id, 0);
    return this.#use(this.#recordOfKey());
  }

  /**
   * {@link find} for many. Out of a million each item is a cache miss in the index and one in its record; here the
   * processor waits for many of them at the same time.
   *
   * @param places Gets them, item by item.
   */
  findAll(items: readonly { readonly id: string }[], places: Uint32Array): void {
    const count = items.length;
    if (this.#many.length < count) this.#many = new KeyColumns(2 * count);
    const { ends, bytes, hashes, records, recordBytes } = this.#many;
    for (let i = 0; i < count; i++) {
      this.#encode(items[i].id, i === 0 ? 0 : ends[i - 1]);
      ends[i] = this.#keyEnd;
      bytes[i] = this.#keyBytes;
      hashes[i] = this.#keyHash;
    }
    const { words } = this;
    const [index, mask] = [this.#index, this.#mask];
    for (let i = 0; i < count; i++) {
      const home = 2 * (hashes[i] & mask);
      records[i] = index[home] === hashes[i] ? index[home + 1] : 0;
    }
    for (let i = 0; i < count; i++) recordBytes[i] = words[records[i] + 2];
    for (let i = 0; i < count; i++) {
      this.#keyAt = i === 0 ? 0 : ends[i - 1];
      this.#keyEnd = ends[i];
      this.#keyBytes = bytes[i];
      this.#keyHash = hashes[i];
      const atHome = recordBytes[i] === bytes[i] && records[i] !== 0 && this.#isOfKey(records[i]);
      places[i] = this.#use(atHome ? records[i] : this.#recordOfKey());
    }
  }

  #use(record: number): number {
    if (record === 0) return 0;
    this.#ring.markUsed(record);
    return record + headerWords + this.#keyEnd - this.#keyAt;
  }

  /**
   * Makes room for an item's payload, in place of the one that it had.
   *
   * @param payloadWords Its length.
   * @returns Where to write it in {@link words}; 0 = it is not kept.
   */
  insert(id: string, payloadWords: number): number {
    this.forget(id);
    const keyWords = this.#keyEnd - this.#keyAt;
    const size = headerWords + keyWords + payloadWords;
    if (size > this.words.length / 16) return 0; // it would push out everything else
    while (this.#items >= this.#itemsMax) this.#ring.dropOldest();
    const record = this.#ring.append(size);
    this.words[record + 1] = this.#keyHash;
    this.words[record + 2] = this.#keyBytes;
    const payload = record + headerWords + keyWords;
    for (let i = 0; i < keyWords; i++) {
      this.words[record + headerWords + i] = this.#keys[this.#keyAt + i];
    }
    if (this.#enter(record)) return payload;
    this.#ring.remove(record);
    return 0;
  }

  /** The item changed: it is found no more. */
  forget(id: string): void {
    this.#encode(id, 0);
    const slot = this.#slotOfKey();
    if (slot < 0) return;
    this.#ring.remove(this.#index[2 * slot + 1]);
    this.#remove(slot);
  }

  #recordOfKey(): number {
    const slot = this.#slotOfKey();
    return slot < 0 ? 0 : this.#index[2 * slot + 1];
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
    for (let i = this.#keyAt, word = record + headerWords; i < this.#keyEnd; i++, word++) {
      if (this.words[word] !== this.#keys[i]) return false;
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

  /** @param at Word of {@link #keys} where the id is to begin. */
  #encode(id: string, at: number): void {
    const end = 4 * at + utf8BytesPerUnit * id.length + 4;
    if (end > this.#keysUtf8.length) {
      const keys = this.#keys;
      this.#keys = new Uint32Array(Math.ceil(end / 2));
      this.#keys.set(keys);
      this.#keysUtf8 = new Uint8Array(this.#keys.buffer);
    }
    const utf8 = this.#keysUtf8;
    let byte = writeUtf8(id, utf8, 4 * at);
    this.#keyBytes = byte - 4 * at;
    while ((byte & 3) !== 0) utf8[byte++] = 0;
    this.#keyAt = at;
    this.#keyEnd = byte >>> 2;
    this.#keyHash = this.#hash(this.#keys, at, this.#keyEnd);
  }
}

/** What is known of many ids, one beside the other. */
class KeyColumns {
  readonly ends: Uint32Array;
  readonly bytes: Uint32Array;
  readonly hashes: Uint32Array;
  /** The record that the index has where the id should be; 0 = none of its hash. */
  readonly records: Uint32Array;
  /** Of that record's id. */
  readonly recordBytes: Uint32Array;

  constructor(readonly length: number) {
    const column = () => new Uint32Array(length);
    this.ends = column();
    this.bytes = column();
    this.hashes = column();
    this.records = column();
    this.recordBytes = column();
  }
}

/** Of `words[begin .. end]`, 32 bits. */
export type WordsHash = (words: Uint32Array, begin: number, end: number) => number;

/** MurmurHash3 of whole words: Austin Appleby, 2008, x86 with 32 bits, seed 0. */
function murmur3(words: Uint32Array, begin: number, end: number): number {
  let hash = 0;
  for (let i = begin; i < end; i++) {
    const word = Math.imul(words[i], 0xcc9e2d51);
    hash ^= Math.imul((word << 15) | (word >>> 17), 0x1b873593);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash ^= 4 * (end - begin);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
