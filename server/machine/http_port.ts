/**
 * The HTTP port: opens before the mesh starts and closes before it stops.
 *
 *     starting   answers 503 `not-ready` with the progress of the start; /health/live is 200
 *     serving    passes requests to the gateway
 *     stopping   answers new requests 503 `unavailable`; requests in progress may end
 *     closed     connections are gone, or end with the process
 *
 * Deno's own `shutdown()` cuts off request bodies at once and waits without limit for idle HTTP/2
 * connections, so requests are drained here first and `shutdown()` gets a time limit.
 */
import { ProblemError, type ProblemKind } from "../../gateway/problems.ts";

/** The configured address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export interface HttpPortOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Time that requests in progress have to end when the port closes, ms. */
  readonly drainMs: number;
}

/** Answers one request. */
export type Fetch = (request: Request) => Response | Promise<Response>;

type State =
  | { readonly kind: "starting"; readonly progress: string }
  | { readonly kind: "serving"; readonly fetch: Fetch }
  | { readonly kind: "stopping" }
  | { readonly kind: "closed" };

/** Time that connections have to take their last answers, ms. */
const FLUSH_MS = 1_000;

export class HttpPort {
  /** Without a path: `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #abort = new AbortController();
  readonly #drainMs: number;
  #state: State = { kind: "starting", progress: "opening the stores" };
  #inProgress = 0;
  #onDrained: (() => void) | undefined;

  private constructor({ host, port, drainMs }: HttpPortOptions) {
    this.#drainMs = drainMs;
    this.#server = Deno.serve(
      { hostname: host, port, onListen: () => {}, signal: this.#abort.signal },
      (request) => this.#answer(request),
    );
    const { hostname, port: bound } = this.#server.addr;
    const shown = hostname === "0.0.0.0" || hostname === "::" ? "localhost" : hostname;
    this.url = `http://${shown.includes(":") ? `[${shown}]` : shown}:${bound}`;
  }

  /**
   * Listens, in the state "starting".
   *
   * @throws {ListenError} When the address is taken or not this machine's.
   */
  static open(options: HttpPortOptions): HttpPort {
    try {
      return new HttpPort(options);
    } catch (cause) {
      const reason = cause instanceof Deno.errors.AddrInUse
        ? "another program listens there; choose another by --port (0 = any free one)"
        : cause instanceof Error
        ? cause.message
        : String(cause);
      const address = `${options.host}:${options.port}`;
      throw new ListenError(`Cannot listen on ${address}: ${reason}.`, { cause });
    }
  }

  /** Says how far the start is; shown in the answers until {@link serve}. */
  report(progress: string): void {
    if (this.#state.kind === "starting") this.#state = { kind: "starting", progress };
  }

  /** Passes requests to `fetch` from now on. */
  serve(fetch: Fetch): void {
    this.#state = { kind: "serving", fetch };
  }

  /**
   * Refuses new requests, lets the ones in progress end within `drainMs`, and closes the
   * connections. Resolves in any case within `drainMs` and a second; a connection that is open then
   * (an idle HTTP/2 client, one that does not read its answer) ends with the process.
   */
  async close(): Promise<void> {
    if (this.#state.kind === "closed") return;
    this.#state = { kind: "stopping" };
    if (this.#inProgress > 0) {
      await within(this.#drainMs, new Promise<void>((drained) => this.#onDrained = drained));
    }
    this.#state = { kind: "closed" };
    await within(FLUSH_MS, this.#server.shutdown());
  }

  /** Closes all connections now: a part of the mesh has failed for good. */
  abort(): void {
    if (this.#state.kind === "closed") return;
    this.#state = { kind: "closed" };
    this.#abort.abort();
  }

  async #answer(request: Request): Promise<Response> {
    if (this.#state.kind !== "serving") return this.#refuse(request);
    this.#inProgress++;
    try {
      const response = await this.#state.fetch(request);
      // The body of this request was cut off by the stop, not by its client.
      const cutOff = response.status === 400 && this.#isClosed();
      return cutOff ? this.#refuse(request) : response;
    } finally {
      if (--this.#inProgress === 0) this.#onDrained?.();
    }
  }

  #isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  #refuse(request: Request): Response {
    if (new URL(request.url).pathname === "/health/live") {
      return Response.json({ status: "live" });
    }
    const state = this.#state;
    const [kind, detail]: [ProblemKind, string] = state.kind === "starting"
      ? ["not-ready", `The server is starting: ${state.progress}.`]
      : ["unavailable", "The server is stopping. Send the request again when it has restarted."];
    return new ProblemError(kind, detail).response(new Headers({ connection: "close" }));
  }
}

/** Waits for `work` for at most `ms`. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise: timeout, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  try {
    await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
