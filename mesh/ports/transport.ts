/**
 * Carries messages to another node (a worker thread, later another process).
 *
 * A link delivers at most once, in order. It carries structured-cloneable values; the buffers named
 * in `transfer` are moved instead of copied.
 */
/** One end of a link. */
export interface Link {
  /**
   * Sends a value. The buffers in `transfer` are unusable here afterwards.
   *
   * @throws {DataCloneError} When the value cannot be cloned; nothing was sent.
   */
  send(value: unknown, transfer?: readonly Transferable[]): void;
  /** Sets the only listener, before the first value can arrive. */
  onReceive(listener: (value: unknown) => void): void;
  /**
   * Sets the listener that is called when the other side is gone: nothing sent from then on
   * arrives.
   */
  onClosed(listener: (cause: Error) => void): void;
  /** Closes the link: nothing is sent or received any more. */
  close(): void;
}
