/**
 * The HTTP port of a running mesh.
 */
import type { RunningMesh } from "../compose.ts";

/** The configured address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** An open HTTP port. */
export interface Listener {
  /** Without a path: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Takes no more connections, finishes the requests under way. */
  close(): Promise<void>;
}

/**
 * Listens where the mesh's configuration says.
 *
 * @throws {ListenError} When the address cannot be had.
 */
export function listen({ configuration, fetch }: RunningMesh): Listener {
  const { host, port } = configuration.http;
  try {
    const server = Deno.serve(
      { hostname: host, port, onListen: () => {} },
      (request) => fetch(request),
    );
    const { hostname, port: bound } = server.addr;
    const shown = hostname === "0.0.0.0" || hostname === "::" ? "localhost" : hostname;
    return {
      url: `http://${shown.includes(":") ? `[${shown}]` : shown}:${bound}`,
      close: () => server.shutdown(),
    };
  } catch (cause) {
    const reason = cause instanceof Deno.errors.AddrInUse
      ? "another program listens there; choose another by --port (0 = any free one)"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new ListenError(`Cannot listen on ${host}:${port}: ${reason}.`, { cause });
  }
}
