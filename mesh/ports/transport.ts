/**
 * Carries messages to another node: in a worker thread, or in another process.
 *
 * A link delivers at most once, in order, until it is closed; a new connection to the same node is
 * a new link. It carries plain data with typed arrays, which share their memory at the receiver as
 * they did at the sender; the buffers named in `transfer` are moved instead of copied.
 */
/** One end of a link. */
export interface Link {
  /**
   * Sends a value. The buffers in `transfer` are unusable here afterwards.
   *
   * @throws {Error} When the value cannot travel, or is too large; nothing was sent.
   */
  send(value: unknown, transfer?: readonly Transferable[]): void;
  /** Sets the only listener, before the first value can arrive. */
  onReceive(listener: (value: unknown) => void): void;
  /**
   * Sets the listener that is called when the other side is gone: nothing sent from then on
   * arrives.
   */
  onClosed(listener: (cause: Error) => void): void;
  /**
   * Whether so many bytes wait to be sent that new messages should be refused. Absent: the link
   * sends at once.
   */
  readonly isCongested?: boolean;
  /**
   * Closes the link: nothing is sent or received any more.
   *
   * @param reason Why the other side's messages make no sense; a link between processes tells it.
   */
  close(reason?: string): void;
}
