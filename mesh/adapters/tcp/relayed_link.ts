/**
 * A link to a node of another host, for a node in a thread that does not own the socket. Values are
 * encoded and decoded in this thread; the thread of the socket passes their bytes on without a
 * copy, see relay.ts.
 */
import type { Link } from "../../ports/transport.ts";
import { byteLengthOf, type EncodedValue } from "./encoded_value.ts";
import { ValueDecoder } from "./value_decoder.ts";
import { ValueEncoder } from "./value_encoder.ts";

/** From the thread of the node to the thread of the socket. */
export type ToSocket =
  | { readonly kind: "value"; readonly value: EncodedValue }
  /** The node uses the link no longer; with a reason, because the peer makes no sense. */
  | { readonly kind: "close"; readonly reason?: string };

/** From the thread of the socket to the thread of the node. */
export type FromSocket =
  | { readonly kind: "value"; readonly value: EncodedValue }
  /** Bytes that no longer wait. */
  | { readonly kind: "written"; readonly bytes: number }
  | { readonly kind: "closed"; readonly reason: string };

/** Bounds of the link, as plain data for another thread. */
export interface RelayLimits {
  readonly frameBytesMax: number;
  readonly windowBytes: number;
}

/** The buffers of an encoded value, which move between threads. */
export function buffersOf({ structure, sections }: EncodedValue): ArrayBuffer[] {
  return [structure.buffer, ...sections.map(({ buffer }) => buffer)];
}

export class RelayedLink implements Link {
  readonly #port: MessagePort;
  readonly #encoder: ValueEncoder;
  readonly #decoder = new ValueDecoder();
  readonly #windowBytes: number;
  #unwrittenBytes = 0;
  #receive: ((value: unknown) => void) | undefined;
  #closed: ((cause: Error) => void) | undefined;
  #open = true;

  constructor(port: MessagePort, { frameBytesMax, windowBytes }: RelayLimits) {
    this.#port = port;
    this.#encoder = new ValueEncoder(frameBytesMax);
    this.#windowBytes = windowBytes;
    port.onmessage = ({ data }) => this.#take(data as FromSocket);
  }

  get isCongested(): boolean {
    return this.#unwrittenBytes >= this.#windowBytes;
  }

  send(value: unknown, transfer?: readonly Transferable[]): void {
    if (!this.#open) return;
    const encoded = this.#encoder.encode(value, transfer);
    this.#unwrittenBytes += byteLengthOf(encoded);
    this.#post({ kind: "value", value: encoded }, buffersOf(encoded));
  }

  onReceive(listener: (value: unknown) => void): void {
    this.#receive = listener;
  }

  onClosed(listener: (cause: Error) => void): void {
    this.#closed = listener;
  }

  close(reason?: string): void {
    if (!this.#open) return;
    this.#post({ kind: "close", ...(reason !== undefined && { reason }) });
    this.#end();
  }

  #post(message: ToSocket, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #take(message: FromSocket): void {
    if (!this.#open) return;
    switch (message.kind) {
      case "value": {
        let value: unknown;
        try {
          value = this.#decoder.decode(message.value);
        } catch (error) {
          const cause = error as Error;
          this.close(cause.message);
          return this.#closed?.(cause);
        }
        return this.#receive?.(value);
      }
      case "written":
        this.#unwrittenBytes -= message.bytes;
        return;
      case "closed":
        this.#end();
        return this.#closed?.(new Error(message.reason));
      default:
        message satisfies never;
    }
  }

  #end(): void {
    this.#open = false;
    this.#port.close();
  }
}
