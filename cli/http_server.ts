/**
 * The mesh behind a TCP port.
 */
import type { RunningMesh } from "./start_mesh.ts";

export interface HttpServer {
  /** Where it can be reached, e.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Takes no new connections, answers what is in progress, at most `drainMs` long. */
  stop(drainMs?: number): Promise<void>;
}

/**
 * @param where Port 0 = any free one.
 * @throws {Error} When the port is taken or not allowed.
 */
export async function serveHttp(
  { fetch }: Pick<RunningMesh, "fetch">,
  where: { readonly host: string; readonly port: number },
): Promise<HttpServer> {
  const { promise: listening, resolve } = Promise.withResolvers<Deno.NetAddr>();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      { hostname: where.host, port: where.port, onListen: resolve },
      (request) => fetch(request),
    );
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot listen on ${where.host}:${where.port}: ${reason}. Choose another with gateway.port or --port (0 = any free one).`,
      { cause },
    );
  }
  const { hostname, port } = await listening;
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    async stop(drainMs = 5_000) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        server.shutdown(),
        new Promise<void>((done) => timer = setTimeout(done, drainMs)),
      ]);
      clearTimeout(timer);
    },
  };
}
