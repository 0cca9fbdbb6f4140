/**
 * A message as bytes, between its codec and its frame.
 */

/**
 * A value as bytes: its structure, and apart from it the memory of its typed arrays, so that large
 * arrays go from the sender's memory to the socket and from the socket to the receiver's memory.
 */
export interface EncodedValue {
  readonly structure: Uint8Array<ArrayBuffer>;
  /** Each becomes an ArrayBuffer of its own at the receiver; typed arrays refer to their index. */
  readonly sections: readonly Uint8Array<ArrayBuffer>[];
}

/** Bytes of structure and sections. */
export function byteLengthOf({ structure, sections }: EncodedValue): number {
  let bytes = structure.byteLength;
  for (const section of sections) bytes += section.byteLength;
  return bytes;
}

/** The value holds something that cannot leave its process; nothing was sent. */
export class NotSendableError extends Error {
  override readonly name = "NotSendableError";
  constructor(found: string, instead: string) {
    super(`Cannot send ${found} to another process: ${instead}.`);
  }
}

/** The value is larger than a frame may be; nothing was sent. */
export class FrameTooLargeError extends Error {
  override readonly name = "FrameTooLargeError";
  constructor(readonly bytes: number, readonly bytesMax: number) {
    super(
      `Cannot send a message of ${bytes} bytes to another process: a frame has at most ` +
        `${bytesMax}. Send fewer rows at a time (sync.rowsMax), or raise mesh.frameBytesMax on ` +
        "all hosts.",
    );
  }
}

/** Received bytes that no sender of this protocol writes. */
export class MalformedFrameError extends Error {
  override readonly name = "MalformedFrameError";
  constructor(reason: string) {
    super(`a malformed frame: ${reason}`);
  }
}
