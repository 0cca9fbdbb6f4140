/**
 * A cache from item id to a payload of 32-bit words: 500 cached candidates
 * cost copies of a few words each instead of reading and hashing their attributes.
 *
 * A `Map` of a million items loads the garbage collector and stops the thread for 0.1 s and more
 * when it grows. Here records lie in a {@link RecordRing}, behind an open-addressing index of fixed
 * size.
 *
 * A record: `[the ring's word, hash, bytes of the id, the id's UTF-8 in whole words, payload]`.
 * The address of a record or payload is its first index in {@link ItemCache.words}.
 */
import { invariant } from "../../structures/invariant.ts";
import { addLargeMemory, type LargeMemory } from "../../structures/large_memories.ts";
import { RecordRing } from "../../structures/record_ring.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../../structures/utf8.ts";
import { murmur3, type WordsHash } from "./murmur3.ts";

const HEADER_WORDS = 3;
const CACHE_LINE_WORDS = 16;
/** Memory for each cell of the index. With cells of 8 bytes the index takes at most a quarter. */
const BYTES_PER_CELL = 32;
const CELL_BYTES = 8;
/** Smaller caches hold nothing. */
const CACHE_BYTES_MIN = 4096;
/** Items, as a share of the cells, with which each page of the index has been written. */
const ITEMS_PER_CELL_SPREAD = 1 / 64;
/** Ids that need more probes are not cached: ids made to collide would slow down every request. */
const PROBES_MAX = 256;

/** Payloads by item id; the oldest unused ones make room for new ones. */
export class ItemCache {
  /** Payloads, at the addresses that {@link find} and {@link insert} return. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** The same memory as float32. */
  readonly floats: Float32Array<ArrayBuffer>;
  readonly #ring: RecordRing;
  readonly #hash: WordsHash;
  /** Cells: a hash and the address of its record; address 0 = free. */
  readonly #index: Uint32Array<ArrayBuffer>;
  readonly #mask: number;
  readonly #itemsMax: number;
  #items = 0;
  /** Records and index, as listed for this thread; the list refers to them weakly. */
  readonly #memories: readonly LargeMemory[];
  /** Ids being looked up: UTF-8, zeros up to a whole word. */
  #keys = new Uint32Array(64);
  #keysUtf8 = new Uint8Array(this.#keys.buffer);
  /** The id being looked up: its words in {@link #keys}, its length in bytes and its hash. */
  #keyAt = 0;
  #keyEnd = 0;
  #keyBytes = 0;
  #keyHash = 0;
  /** Columns of {@link findAll}. */
  #many = new KeyColumns(0);

  /**
   * @param bytesMax Memory for records and index together, bytes; the system provides it as it
   * fills. Below 4 KiB nothing is cached.
   * @param hash Default MurmurHash3; tests pass a worse one.
   */
  constructor(bytesMax: number, hash: WordsHash = murmur3) {
    this.#hash = hash;
    const isOn = bytesMax >= CACHE_BYTES_MIN;
    const cells = isOn ? 2 ** Math.floor(Math.log2(bytesMax / BYTES_PER_CELL)) : 1;
    this.#index = new Uint32Array(2 * cells);
    this.#mask = cells - 1;
    this.#itemsMax = Math.floor(cells * 5 / 8);
    this.#ring = new RecordRing(isOn ? Math.floor((bytesMax - CELL_BYTES * cells) / 4) : 0, {
      evicted: (record) => this.#remove(this.#cellOf(record, this.words[record + 1])),
      moved: (from, to) => {
        this.#index[2 * this.#cellOf(from, this.words[to + 1]) + 1] = to;
      },
    });
    this.words = this.#ring.words;
    this.floats = new Float32Array(this.words.buffer);
    this.#memories = this.#largeMemories();
    this.#memories.forEach(addLargeMemory);
  }

  #largeMemories(): LargeMemory[] {
    const [ring, index] = [this.#ring, this.#index];
    const isSpread = () => this.#items >= index.length / 2 * ITEMS_PER_CELL_SPREAD;
    return [
      {
        buffer: ring.words.buffer,
        get usedBytes() {
          return 4 * ring.wordsWritten;
        },
      },
      {
        buffer: index.buffer,
        get usedBytes() {
          return isSpread() ? index.byteLength : 0;
        },
      },
    ];
  }

  /** Items in the cache. */
  get size(): number {
    return this.#items;
  }

  /** Address of the item's payload, 0 = not cached. Valid until the next {@link insert}. */
  find(id: string): number {
    this.#encode(id, 0);
    return this.#use(this.#recordOfKey());
  }

  /**
   * {@link find} for many items. Among a million items each costs a cache miss in the index and one
   * in its record; separate loops let the processor wait for many misses at the same time.
   *
   * @param addresses Output: the address of each item's payload, 0 = not cached.
   */
  findAll(items: readonly { readonly id: string }[], addresses: Uint32Array): void {
    const count = items.length;
    if (this.#many.length < count) this.#many = new KeyColumns(2 * count);
    const { ends, bytes, hashes, records, recordBytes, nextLines } = this.#many;
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
    for (let i = 0; i < count; i++) {
      recordBytes[i] = words[records[i] + 2];
      // Most records reach into the next cache line, which the payload's reader then finds loaded.
      nextLines[i] = words[records[i] + CACHE_LINE_WORDS];
    }
    for (let i = 0; i < count; i++) {
      this.#keyAt = i === 0 ? 0 : ends[i - 1];
      this.#keyEnd = ends[i];
      this.#keyBytes = bytes[i];
      this.#keyHash = hashes[i];
      const atHome = recordBytes[i] === bytes[i] && records[i] !== 0 && this.#isOfKey(records[i]);
      addresses[i] = this.#use(atHome ? records[i] : this.#recordOfKey());
    }
  }

  /** Marks a record as used and returns the address of its payload. */
  #use(record: number): number {
    if (record === 0) return 0;
    this.#ring.markUsed(record);
    return record + HEADER_WORDS + this.#keyEnd - this.#keyAt;
  }

  /**
   * Makes room for an item's payload and removes the one that it had.
   *
   * @returns Address at which to write the payload; 0 = the item is not cached.
   */
  insert(id: string, payloadWords: number): number {
    this.delete(id);
    const keyWords = this.#keyEnd - this.#keyAt;
    const size = HEADER_WORDS + keyWords + payloadWords;
    if (size > this.words.length / 16) return 0; // it would push out everything else
    while (this.#items >= this.#itemsMax) this.#ring.dropOldest();
    const record = this.#ring.append(size);
    this.words[record + 1] = this.#keyHash;
    this.words[record + 2] = this.#keyBytes;
    const payload = record + HEADER_WORDS + keyWords;
    for (let i = 0; i < keyWords; i++) {
      this.words[record + HEADER_WORDS + i] = this.#keys[this.#keyAt + i];
    }
    if (this.#enter(record)) return payload;
    this.#ring.remove(record);
    return 0;
  }

  /** Removes an item. */
  delete(id: string): void {
    this.#encode(id, 0);
    const cell = this.#cellOfKey();
    if (cell < 0) return;
    this.#ring.remove(this.#index[2 * cell + 1]);
    this.#remove(cell);
  }

  /** Removes all items. */
  clear(): void {
    while (this.#items > 0) this.#ring.dropOldest();
  }

  #recordOfKey(): number {
    const cell = this.#cellOfKey();
    return cell < 0 ? 0 : this.#index[2 * cell + 1];
  }

  /** The cell of the id being looked up, -1 = it has none. */
  #cellOfKey(): number {
    const hash = this.#keyHash;
    let cell = hash & this.#mask;
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      const record = this.#index[2 * cell + 1];
      if (record === 0) return -1;
      if (this.#index[2 * cell] === hash && this.#isOfKey(record)) return cell;
      cell = (cell + 1) & this.#mask;
    }
    return -1;
  }

  #isOfKey(record: number): boolean {
    if (this.words[record + 2] !== this.#keyBytes) return false;
    for (let i = this.#keyAt, word = record + HEADER_WORDS; i < this.#keyEnd; i++, word++) {
      if (this.words[word] !== this.#keys[i]) return false;
    }
    return true;
  }

  /** The cell of a record that is in the index. */
  #cellOf(record: number, hash: number): number {
    let cell = hash & this.#mask;
    for (let probes = 0; this.#index[2 * cell + 1] !== record; probes++) {
      invariant(probes < PROBES_MAX, "each record of the ring is in the index");
      cell = (cell + 1) & this.#mask;
    }
    return cell;
  }

  /** Adds a record to the index; false where its probes find no free cell. */
  #enter(record: number): boolean {
    const hash = this.words[record + 1];
    let cell = hash & this.#mask;
    for (let probes = 0; probes < PROBES_MAX; probes++) {
      if (this.#index[2 * cell + 1] === 0) {
        this.#index[2 * cell] = hash;
        this.#index[2 * cell + 1] = record;
        this.#items++;
        return true;
      }
      cell = (cell + 1) & this.#mask;
    }
    return false;
  }

  /** Frees a cell and closes the gap in the probes of later ones (Knuth, TAOCP 3, 6.4, R). */
  #remove(cell: number): void {
    let hole = cell;
    for (let next = (cell + 1) & this.#mask;; next = (next + 1) & this.#mask) {
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

  /** Makes `id` the one being looked up; its words begin at index `at` of {@link #keys}. */
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

/** The columns of {@link ItemCache.findAll}, an element an item. */
class KeyColumns {
  readonly ends: Uint32Array;
  readonly bytes: Uint32Array;
  readonly hashes: Uint32Array;
  /** The record in the first cell that the id probes; 0 = that cell has another hash. */
  readonly records: Uint32Array;
  /** Length of that record's id, bytes. */
  readonly recordBytes: Uint32Array;
  /** A word of the next cache line; only its loading counts. */
  readonly nextLines: Uint32Array;

  constructor(readonly length: number) {
    const column = () => new Uint32Array(length);
    this.ends = column();
    this.bytes = column();
    this.hashes = column();
    this.records = column();
    this.recordBytes = column();
    this.nextLines = column();
  }
}
