/**
 * A link to a node of another host, for a node in the thread that owns the socket.
 */
import type { Link } from "../../ports/transport.ts";
import type { Channel } from "./channel.ts";
import { ValueDecoder } from "./value_decoder.ts";
import { ValueEncoder } from "./value_encoder.ts";

export class ChannelLink implements Link {
  readonly #channel: Channel;
  readonly #encoder: ValueEncoder;
  readonly #decoder = new ValueDecoder();

  /** @param bytesMax Bytes of one encoded value at most. */
  constructor(channel: Channel, bytesMax: number) {
    this.#channel = channel;
    this.#encoder = new ValueEncoder(bytesMax);
  }

  get isCongested(): boolean {
    return this.#channel.isCongested;
  }

  send(value: unknown, transfer?: readonly Transferable[]): void {
    this.#channel.send(this.#encoder.encode(value, transfer));
  }

  onReceive(listener: (value: unknown) => void): void {
    this.#channel.onValue((encoded) => {
      let value: unknown;
      try {
        value = this.#decoder.decode(encoded);
      } catch (error) {
        return this.#channel.reject(error as Error);
      }
      listener(value);
    });
  }

  onClosed(listener: (cause: Error) => void): void {
    this.#channel.onClosed(listener);
  }

  close(reason?: string): void {
    this.#channel.close();
    if (reason !== undefined) this.#channel.reject(new Error(reason));
  }
}
