/**
 * The sockets between hosts: the machine's, or simulated ones.
 */
import type { ByteStream } from "./byte_stream.ts";

/** The TCP address of a host. */
export interface HostAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A socket. */
export interface Socket extends ByteStream {
  /** The address of the other side, `host:port`. */
  readonly from: string;
}

/** A socket that others connect to. */
export interface Listener {
  readonly port: number;
  /** The next connection. Fails once the listener is closed. */
  accept(): Promise<Socket>;
  close(): void;
}

/** Makes sockets. */
export interface Network {
  /** @throws {Error} The address cannot be listened on. */
  listen(address: HostAddress): Listener;
  /** Fails where nothing answers within `timeoutMs`. */
  connect(address: HostAddress, timeoutMs: number): Promise<Socket>;
  /** Bytes that no other connection has had, for a handshake; hexadecimal. */
  nonce(bytes: number): string;
}
