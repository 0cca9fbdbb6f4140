/**
 * The frames of a connection between two hosts. All numbers are little-endian.
 *
 *     offset  bytes
 *     0       4      bytes after these four
 *     4       1      type
 *     5       1      0
 *     6       2      channel: which nodes talk; 0 where the type has none
 *     8       4      bytes of the structure
 *     12      4      number of sections, n
 *     16      4 n    bytes of each section
 *             …      structure, then the sections one after another
 */
import { type EncodedValue, MalformedFrameError } from "./encoded_value.ts";

export const frameTypes = {
  /** JSON, see handshake.ts. */
  handshake: 1,
  /** A batch of messages from one node to another. */
  value: 2,
  /** Says that the sender lives. */
  heartbeat: 3,
  /** JSON text: the reason why the sender closes the connection. */
  goodbye: 4,
} as const;

export type FrameType = typeof frameTypes[keyof typeof frameTypes];

export interface Frame extends EncodedValue {
  readonly type: FrameType;
  readonly channel: number;
}

export const HEADER_BYTES = 16;
/** Bytes of the length field itself. */
const LENGTH_BYTES = 4;
/** More sections than a batch of messages has typed arrays. */
const SECTIONS_MAX = 2 ** 20;

const none = new Uint8Array(0);

/** A frame without a value. */
export function emptyFrame(type: FrameType): Frame {
  return { type, channel: 0, structure: none, sections: [] };
}

/** A frame of a text. */
export function textFrame(type: FrameType, text: string): Frame {
  return { type, channel: 0, structure: new TextEncoder().encode(text), sections: [] };
}

/** The text of a frame of {@link textFrame}. */
export function textOf({ structure }: Frame): string {
  return new TextDecoder().decode(structure);
}

/** Bytes of header and lengths. */
export function headBytesOf({ sections }: Frame): number {
  return HEADER_BYTES + 4 * sections.length;
}

/** Header and lengths of the sections. */
export function headOf(frame: Frame): Uint8Array<ArrayBuffer> {
  const { type, channel, structure, sections } = frame;
  const head = new DataView(new ArrayBuffer(headBytesOf(frame)));
  let bytes = head.byteLength - LENGTH_BYTES + structure.byteLength;
  sections.forEach(({ byteLength }, i) => {
    head.setUint32(HEADER_BYTES + 4 * i, byteLength, true);
    bytes += byteLength;
  });
  head.setUint32(0, bytes, true);
  head.setUint8(4, type);
  head.setUint16(6, channel, true);
  head.setUint32(8, structure.byteLength, true);
  head.setUint32(12, sections.length, true);
  return new Uint8Array(head.buffer);
}

/** A frame's header, checked. */
export interface FrameHeader {
  readonly type: FrameType;
  readonly channel: number;
  readonly structureBytes: number;
  readonly sectionCount: number;
  /** Bytes of all sections together. */
  readonly sectionsBytes: number;
}

const knownTypes: readonly number[] = Object.values(frameTypes);

/**
 * Reads a header.
 *
 * @param bytesMax Bytes of structure and sections at most, and of the lengths of the sections: a
 * peer that has proved nothing yet makes this host reserve no more memory than that.
 * @throws {MalformedFrameError} The header is not one of this protocol, or the frame is too large.
 */
export function readHeader(header: DataView, bytesMax: number): FrameHeader {
  const length = header.getUint32(0, true);
  const type = header.getUint8(4);
  const structureBytes = header.getUint32(8, true);
  const sectionCount = header.getUint32(12, true);
  if (!knownTypes.includes(type) || header.getUint8(5) !== 0) {
    throw new MalformedFrameError(`its type ${type} is unknown; the peer may not be a Cairn host`);
  }
  if (sectionCount > SECTIONS_MAX || 4 * sectionCount > bytesMax) {
    throw new MalformedFrameError(`it has ${sectionCount} sections`);
  }
  const sectionsBytes = length - (HEADER_BYTES - LENGTH_BYTES) - 4 * sectionCount - structureBytes;
  if (sectionsBytes < 0) throw new MalformedFrameError("its lengths contradict each other");
  if (structureBytes + sectionsBytes > bytesMax) {
    throw new MalformedFrameError(
      `it has ${structureBytes + sectionsBytes} bytes, and ${bytesMax} are allowed ` +
        "(mesh.frameBytesMax must be the same on all hosts)",
    );
  }
  return {
    type: type as FrameType,
    channel: header.getUint16(6, true),
    structureBytes,
    sectionCount,
    sectionsBytes,
  };
}
