/**
 * The HTTP port: opens before the mesh starts and closes before it stops.
 *
 *     starting   answers 503 `not-ready` with the progress of the start; /health/live is 200
 *     serving    passes requests to the gateway
 *     leaving    does so while /health/ready is 503, and closes connections behind their answers
 *     stopping   answers new requests 503 `unavailable`; requests in progress may end
 *     closed     connections are gone, or end with the process
 *
 * Slow and idle connections are closed by {@link HttpServer}.
 */
import { ProblemError, type ProblemKind } from "../../gateway/problems.ts";
import { TextResponse } from "../../gateway/text_response.ts";
import { present } from "../../structures/invariant.ts";
import { type Fetch, HttpServer } from "./http_server.ts";

/** The configured address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

export interface HttpPortOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Where an operator chooses the port, for the error of one that is taken. */
  readonly setting: string;
  /** Time that load balancers have to notice that the process stops, ms. */
  readonly stopAfterMs: number;
  /** Time that requests in progress have to end when the port closes, ms. */
  readonly drainMs: number;
}

type State =
  | { readonly kind: "starting"; readonly progress: string }
  | { readonly kind: "serving" | "leaving"; readonly fetch: Fetch }
  | { readonly kind: "stopping" }
  | { readonly kind: "closed" };

/** Time that connections have to take their last answers, ms. */
const FLUSH_MS = 1_000;

/** Time for the headers of a request, ms. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Time for which a connection may be idle, ms: above the 60 s of common proxies. */
const IDLE_TIMEOUT_MS = 75_000;
const TIMEOUT_CHECK_MS = 1_000;

/** A request that the gateway has not answered yet. */
interface PendingRequest {
  /** Answers it with the problem of the current state. */
  readonly refuse: () => void;
  /** Its index among the pending requests. */
  index: number;
}

export class HttpPort {
  readonly #stopAfterMs: number;
  readonly #drainMs: number;
  /** In no order: an ended request gives its index to the last one. */
  readonly #pending: PendingRequest[] = [];
  #server: HttpServer | undefined;
  #state: State = { kind: "starting", progress: "the port is open" };
  #onDrained: (() => void) | undefined;

  private constructor({ stopAfterMs, drainMs }: Pick<HttpPortOptions, "stopAfterMs" | "drainMs">) {
    this.#stopAfterMs = stopAfterMs;
    this.#drainMs = drainMs;
  }

  /**
   * Listens, in the state "starting".
   *
   * @throws {ListenError} When the address is taken or not this machine's.
   */
  static async open(options: HttpPortOptions): Promise<HttpPort> {
    const { host, port, setting, drainMs } = options;
    const opened = new HttpPort(options);
    try {
      opened.#server = await HttpServer.listen(
        {
          host,
          port,
          headersTimeoutMs: HEADERS_TIMEOUT_MS,
          // The gateway answers a late body itself, within the drain time.
          requestTimeoutMs: HEADERS_TIMEOUT_MS + drainMs,
          idleTimeoutMs: IDLE_TIMEOUT_MS,
          checkIntervalMs: TIMEOUT_CHECK_MS,
        },
        (request) => opened.#answer(request),
      );
      return opened;
    } catch (cause) {
      const reason = (cause as { readonly code?: unknown }).code === "EADDRINUSE"
        ? `another program listens there; end it, or choose another port by ${setting}`
        : cause instanceof Error
        ? cause.message
        : String(cause);
      throw new ListenError(`Cannot listen on ${host}:${port}: ${reason}.`, { cause });
    }
  }

  /** Without a path: `http://127.0.0.1:8080`. */
  get url(): string {
    const { hostname, port } = this.#listening.address;
    const shown = hostname === "0.0.0.0" || hostname === "::" ? "localhost" : hostname;
    return `http://${shown.includes(":") ? `[${shown}]` : shown}:${port}`;
  }

  get #listening(): HttpServer {
    return present(this.#server, "an open port listens");
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
   * Lets load balancers leave the process out before it refuses a request: `/health/ready` is 503,
   * all else is answered, and no connection is kept behind its answer. Resolves after the time that
   * they have.
   */
  async leave(): Promise<void> {
    if (this.#state.kind !== "serving" || this.#stopAfterMs === 0) return;
    this.#state = { kind: "leaving", fetch: this.#state.fetch };
    await new Promise<void>((left) => Deno.unrefTimer(setTimeout(left, this.#stopAfterMs)));
  }

  /**
   * Refuses new requests, lets the ones in progress end within `drainMs`, answers the others with
   * 503, and closes the connections. Resolves within `drainMs` and a second.
   */
  async close(): Promise<void> {
    if (this.#state.kind === "closed") return;
    this.#state = { kind: "stopping" };
    if (this.#pending.length > 0) {
      await within(this.#drainMs, new Promise<void>((drained) => this.#onDrained = drained));
    }
    this.#state = { kind: "closed" };
    for (const request of this.#pending) request.refuse();
    await within(FLUSH_MS, this.#listening.close());
    this.#listening.abort();
  }

  /** Closes all connections now: a part of the mesh has failed for good. */
  abort(): void {
    if (this.#state.kind === "closed") return;
    this.#state = { kind: "closed" };
    this.#listening.abort();
  }

  #answer(request: Request): Response | Promise<Response> {
    const state = this.#state;
    const isPassed = state.kind === "serving" ||
      state.kind === "leaving" && pathOf(request) !== "/health/ready";
    if (!isPassed) return this.#refuse(request);
    return new Promise((resolve, reject) => {
      const pending = { refuse: () => resolve(this.#refuse(request)), index: this.#pending.length };
      this.#pending.push(pending);
      const end = (settle: () => void) => {
        this.#remove(pending);
        settle();
      };
      Promise.try(state.fetch, request).then(
        (response) => {
          if (this.#state.kind !== "serving") {
            TextResponse.addHeader(response, "connection", "close");
          }
          end(() => resolve(response));
        },
        (error) => end(() => reject(error)),
      );
    });
  }

  #remove({ index }: PendingRequest): void {
    const last = present(this.#pending.pop(), "a pending request is in the list");
    if (index < this.#pending.length) {
      this.#pending[index] = last;
      last.index = index;
    }
    if (this.#pending.length === 0) this.#onDrained?.();
  }

  #refuse(request: Request): Response {
    if (pathOf(request) === "/health/live") {
      return TextResponse.json({ status: "live" });
    }
    const state = this.#state;
    const [kind, detail]: [ProblemKind, string] = state.kind === "starting"
      ? ["not-ready", `The server is starting: ${state.progress}.`]
      : ["unavailable", "The server is stopping. Send the request again when it has restarted."];
    return new ProblemError(kind, detail).response(undefined, [["connection", "close"]]);
  }
}

function pathOf({ url }: Request): string {
  return new URL(url).pathname;
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
