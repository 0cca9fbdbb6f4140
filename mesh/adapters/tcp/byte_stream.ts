/**
 * The two directions of a socket; a `Deno.Conn` is one.
 */
export interface ByteStream {
  /** Reads into `bytes`; resolves with the number of bytes, or null at the end of the stream. */
  read(bytes: Uint8Array<ArrayBuffer>): Promise<number | null>;
  /** Writes some of `bytes`; resolves with their number. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Closes both directions; a read or write under way fails. */
  close(): void;
}
