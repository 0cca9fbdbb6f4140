/**
 * The share of a connection that belongs to one pair of nodes. It has the lifetime of the
 * connection: a new connection has new channels.
 */
import type { Connection } from "./connection.ts";
import type { EncodedValue } from "./encoded_value.ts";
import { NODES_MAX } from "./host_identity.ts";

export class Channel {
  readonly #connection: Connection;
  readonly #number: number;
  #receive: ((value: EncodedValue) => void) | undefined;
  #closed: ((cause: Error) => void) | undefined;
  #open = true;

  /** @param number Channel number in the frames that this side sends. */
  constructor(connection: Connection, number: number) {
    this.#connection = connection;
    this.#number = number;
  }

  /** Whether more bytes of the connection wait than its window has. */
  get isCongested(): boolean {
    return this.#connection.isCongested;
  }

  send(value: EncodedValue): void {
    if (this.#open) this.#connection.send(this.#number, value);
  }

  /** Sets the only listener for values. */
  onValue(listener: (value: EncodedValue) => void): void {
    this.#receive = listener;
  }

  /** Sets the only listener for the end of the connection. */
  onClosed(listener: (cause: Error) => void): void {
    this.#closed = listener;
  }

  /** Sends and receives nothing more; the connection goes on for other nodes. */
  close(): void {
    this.#open = false;
  }

  /** Fails the whole connection, because the peer breaks the protocol. */
  reject(cause: Error): void {
    this.#connection.reject(cause);
  }

  /** A value has come. For the owner of the connection. */
  deliver(value: EncodedValue): void {
    if (this.#open) this.#receive?.(value);
  }

  /** The connection has ended. For its owner. */
  end(cause: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closed?.(cause);
  }
}

/** The number of a channel, from the numbers of its nodes on their hosts. */
export function channelNumber(sender: number, receiver: number): number {
  return sender * NODES_MAX + receiver;
}
