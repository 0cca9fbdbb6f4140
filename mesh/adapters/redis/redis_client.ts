/**
 * The clients of `@redis/client` as connections use them.
 */
import type { Socket } from "node:net";
import { createClient } from "@redis/client";

/** The part of the client that is used here. */
export interface Client {
  connect(): Promise<unknown>;
  destroy(): void;
  sendCommand(
    args: readonly (string | Buffer)[],
    options: { readonly typeMapping: Record<number, unknown> },
  ): Promise<unknown>;
  on(event: "error", listener: (error: Error) => void): unknown;
  readonly isReady: boolean;
}

/** Certificates for TLS, as PEM text. */
export interface RedisTls {
  /** Certificate of the authority that signed the server's; default: those of the machine. */
  readonly ca?: string;
  /** Certificate and key of this client, where the server asks for them. */
  readonly cert?: string;
  readonly key?: string;
}

export interface ClientOptions {
  /** `redis://`, `rediss://` or `unix://`. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly name?: string | undefined;
  readonly tls?: RedisTls | undefined;
  /** Time after which {@link within} gives the connection up, unless this process is late, ms. */
  readonly connectMs: number;
}

/** Time after which the client closes a socket that is not connected, as a share of `connectMs`. */
const SOCKET_SHARE = 8;

/**
 * The client that others are copied from: making one by its options builds a class with all
 * commands, which takes 20 ms of a core, and a copy shares it.
 */
let template: { duplicate(options: object): unknown } | undefined;

/** A client that is not connected yet, and never connects again by itself. */
export function newClient(
  { url, username, password, name, tls, connectMs }: ClientOptions,
): Client {
  template ??= createClient({
    RESP: 2,
    maintNotifications: "disabled",
    disableClientInfo: true,
    disableOfflineQueue: true,
    // The client's own timeout covers only commands that were not sent, with a timer for each.
    commandOptions: { timeout: 0 },
  });
  const isSocket = url.startsWith("unix://");
  return template.duplicate({
    ...(!isSocket && { url }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(name !== undefined && { name }),
    socket: {
      ...(isSocket && { path: url.slice("unix://".length), tls: false }),
      ...(url.startsWith("rediss://") && { tls: true, ...tls }),
      // The client counts wall time. This ends only the socket of an attempt that was given up.
      connectTimeout: SOCKET_SHARE * connectMs,
      reconnectStrategy: false,
      writev: writeTogether,
    },
  }) as Client;
}

/**
 * The `writev` of a stream, which the socket takes from its options: writes the parts of waiting
 * commands at once. Deno's own makes a system call of each part, and the server begins with the
 * first ones: a command has three parts where an argument is bytes.
 */
function writeTogether(
  this: Socket,
  parts: readonly { readonly chunk: string | Buffer; readonly encoding: BufferEncoding }[],
  callback: (error?: Error | null) => void,
): void {
  const bytes = parts.map(({ chunk, encoding }) =>
    typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk
  );
  // The name that a stream gives the encoding of bytes; the type lacks it.
  this._write(Buffer.concat(bytes), "buffer" as BufferEncoding, callback);
}

/** Ends a client; it throws where it is closed already. */
export function destroy(client: Client): void {
  try {
    client.destroy();
  } catch {
    // It has ended.
  }
}

/** Looks at a connection that is being made, within its deadline. */
const LOOKS = 8;

/**
 * The outcome of `promise`, or an error after `ms`. The time is counted in looks: between two of
 * them the event loop reads what the server has answered, so that a server is not given up because
 * this process was late.
 */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setInterval> | undefined;
  let looks = 0;
  const late = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if (++looks >= LOOKS) reject(new Error(`no connection within ${ms} ms`));
    }, ms / LOOKS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearInterval(timer);
  }
}

/** Permissions that a user of the server needs, as `ACL SETUSER` takes them; NAME is the mesh. */
export const REDIS_PERMISSIONS =
  "~{cairn:NAME}:* +@read +@write +@connection +@scripting +info +waitaof +time +config|get";

/** The server's answer to a user who may not run a command. */
const NO_PERMISSION = /NOPERM/;

/** The remedy for a refused connection; undefined where the error itself says enough. */
export function remedyOf({ message }: Error): string | undefined {
  if (/self.signed|certificate|UnknownIssuer|CERT_|UNABLE_TO_/i.test(message)) {
    return "give the certificate of the authority that signed the server's by storage.redis.tls.ca, and connect to a name that the certificate has";
  }
  if (/NOAUTH|WRONGPASS|invalid username-password/i.test(message)) {
    return "correct storage.redis.username and storage.redis.password";
  }
  if (NO_PERMISSION.test(message)) {
    return "give the user of storage.redis these permissions: " + REDIS_PERMISSIONS;
  }
  return undefined;
}

/**
 * The remedy for a connection that failed while this process runs, as a sentence.
 *
 * @param orElse The sentence where the server is away, and nothing has to be corrected.
 */
export function remedyWhileRunning(error: Error, orElse: string): string {
  const remedy = remedyOf(error);
  if (remedy === undefined) return orElse;
  // Permissions change at the server, the rest in the file, which is read at the start.
  const isOfServer = NO_PERMISSION.test(error.message);
  return `${capitalized(remedy)}${isOfServer ? "." : ", and restart this process."}`;
}

/** The text with a capital letter at its beginning. */
export function capitalized(text: string): string {
  return `${text[0].toUpperCase()}${text.slice(1)}`;
}
