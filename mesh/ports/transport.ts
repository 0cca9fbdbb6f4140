/**
 * How envelopes reach actors of another place (a worker thread, later another process).
 *
 * A link is first-in-first-out and at most once. It carries structured-cloneable values, and the buffers
 * named in `transfer` move instead of being copied. Adapters batch what is sent in one turn of the loop.
 */
export interface Link {
  /** Sends a value; the buffers in `transfer` move and are unusable here afterwards. */
  send(value: unknown, transfer?: readonly Transferable[]): void;
  /** One listener; set before the first value can arrive. */
  onReceive(listener: (value: unknown) => void): void;
  /** The other side is gone: nothing sent from now on arrives. */
  onClosed(listener: (cause: Error) => void): void;
  /** Nothing is sent or received any more. */
  close(): void;
}
