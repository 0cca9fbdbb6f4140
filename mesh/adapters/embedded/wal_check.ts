/**
 * Looks for damage in SQLite's write-ahead log before SQLite opens it.
 *
 * The checksums of a log's frames are chained. SQLite takes the frames before the first mismatch
 * and ignores the rest, because a power failure tears the last transaction; it does the same when
 * an earlier frame is damaged, and drops the transactions behind it without a word. Every
 * transaction is synced before the next one is written (`synchronous = FULL`). So a broken frame
 * that is followed by the end of its transaction and a further frame was synced, and is damaged.
 *
 * @see https://www.sqlite.org/fileformat2.html#the_write_ahead_log
 */
const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/**
 * Magic of a log whose checksums read words as little-endian; the last bit set means big-endian.
 */
const MAGIC = 0x377f0682;

/** Chained checksum of a log. */
interface Checksum {
  readonly first: number;
  readonly second: number;
}

/**
 * The first damaged byte range of a log; undefined where it is whole or ends in a torn transaction.
 *
 * @param bytes The file `…-wal`.
 * @returns The byte at which the damaged frame or header begins.
 */
export function findWalDamage(bytes: Uint8Array): number | undefined {
  if (bytes.byteLength < HEADER_BYTES + FRAME_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const littleEndian = (magic & 1) === 0;
  const header = checksum(view, { from: 0, to: 24, littleEndian }, { first: 0, second: 0 });
  if ((magic & ~1) !== MAGIC || !isStoredAt(view, 24, header)) return 0;
  const pageBytes = view.getUint32(8);
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const matchingSalts = (at: number) =>
    Number(view.getUint32(at + 8) === view.getUint32(16)) +
    Number(view.getUint32(at + 12) === view.getUint32(20));

  let chained = header;
  let at = HEADER_BYTES;
  for (; at + frameBytes <= bytes.byteLength && matchingSalts(at) === 2; at += frameBytes) {
    const head = checksum(view, { from: at, to: at + 8, littleEndian }, chained);
    const page = { from: at + FRAME_HEADER_BYTES, to: at + frameBytes, littleEndian };
    const next = checksum(view, page, head);
    if (!isStoredAt(view, at + 16, next)) break;
    chained = next;
  }
  let committed = false;
  for (let later = at; later + frameBytes <= bytes.byteLength; later += frameBytes) {
    if (matchingSalts(later) === 0) continue; // left from the log before, which had two other salts
    if (committed) return at;
    committed = view.getUint32(later + 4) !== 0;
  }
  return undefined;
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly littleEndian: boolean;
}

function checksum(view: DataView, range: Range, { first, second }: Checksum): Checksum {
  const { from, to, littleEndian } = range;
  for (let at = from; at < to; at += 8) {
    first = (first + view.getUint32(at, littleEndian) + second) >>> 0;
    second = (second + view.getUint32(at + 4, littleEndian) + first) >>> 0;
  }
  return { first, second };
}

function isStoredAt(view: DataView, at: number, { first, second }: Checksum): boolean {
  return view.getUint32(at) === first && view.getUint32(at + 4) === second;
}
