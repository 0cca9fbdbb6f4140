/**
 * An HTTP/1.1 server whose connections end in bounded time, on `node:http`. `Deno.serve` has no
 * limit for slow headers and idle connections and cannot close a connection whose body is late.
 *
 *     headers    must be complete within `headersTimeoutMs`, else 408
 *     body       must be complete within `requestTimeoutMs` of the headers, else 408
 *     body       given up by the handler: the connection is closed behind the answer
 *     idle       connections are closed after `idleTimeoutMs`
 *
 * Time in which the process was stopped counts for none of them. The timeouts of `node:http`
 * compare wall times before the arrived bytes are read, so they would refuse complete requests.
 *
 * Requests that are not HTTP are answered with a problem too. HTTP/2 is not spoken.
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { ProblemError } from "../../gateway/problems.ts";
import { TextResponse } from "../../gateway/text_response.ts";
import type { CancelSignal } from "../../mesh/runtime/cancel_signal.ts";
import { present } from "../../structures/invariant.ts";
import { ArrivingBody } from "./arriving_body.ts";
import type { HttpConnection } from "./http_connection.ts";
import { HttpConnections } from "./http_connections.ts";

export interface HttpServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** How often timeouts are checked, ms. */
  readonly checkIntervalMs: number;
}

/** Answers one request. The request has method, url, headers, body and signal, and nothing else. */
export type Fetch = (request: Request) => Response | Promise<Response>;

/** Time from the last answer of a connection to its end, ms; shorter once the client has it all. */
const LEAVING_MS_MAX = 1_000;

export class HttpServer {
  /** The address that it listens on. */
  readonly address: { readonly hostname: string; readonly port: number };
  readonly #server: Server;
  readonly #connections: HttpConnections;

  private constructor(server: Server, connections: HttpConnections) {
    this.#server = server;
    this.#connections = connections;
    const { address, port } = server.address() as AddressInfo;
    this.address = { hostname: address, port };
  }

  /**
   * Listens.
   *
   * @throws {Error} With a `code`, when the address cannot be listened on.
   */
  static async listen(options: HttpServerOptions, fetch: Fetch): Promise<HttpServer> {
    const { headersTimeoutMs, idleTimeoutMs, requestTimeoutMs, checkIntervalMs } = options;
    const connections = new HttpConnections(
      {
        idle: idleTimeoutMs / checkIntervalMs,
        // A client that does not read its answers makes no progress on its connection.
        answering: Math.max(idleTimeoutMs, requestTimeoutMs) / checkIntervalMs,
        headers: headersTimeoutMs / checkIntervalMs,
        body: requestTimeoutMs / checkIntervalMs,
        leaving: LEAVING_MS_MAX / checkIntervalMs,
      },
      checkIntervalMs,
      () => refusal(lateProblem()),
    );
    const server = createServer(
      {
        // Late requests and idle connections are ended by `HttpConnection.look`.
        headersTimeout: 0,
        requestTimeout: 0,
        keepAliveTimeout: 0,
      },
      (incoming, outgoing) => {
        const connection = connections.of(incoming.socket);
        connection.takeTurn(incoming, outgoing, (hungUp) => {
          const request = new ServedRequest(incoming, hungUp);
          void answer(fetch, connection, request, { incoming, outgoing });
        });
      },
    );
    server.on("clientError", (error, socket) => {
      // The parser would report each further piece as an error, and listen to the socket once more.
      socket.removeAllListeners("data").resume();
      connections.of(socket as Socket).refuse(refusal(brokenProblem(error)));
    });
    server.on("connection", (socket: Socket) => connections.add(socket));
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error) => {
        connections.stop();
        reject(error);
      };
      server.once("error", fail);
      server.listen(options.port, options.host, () => {
        server.off("error", fail);
        resolve();
      });
    });
    return new HttpServer(server, connections);
  }

  /** Takes no more connections and closes idle ones; resolves when all are closed. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        this.#connections.stop();
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }

  /** Closes all connections now. */
  abort(): void {
    this.#connections.stop();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function answer(
  fetch: Fetch,
  connection: HttpConnection,
  request: ServedRequest,
  { incoming, outgoing }: {
    readonly incoming: IncomingMessage;
    readonly outgoing: ServerResponse;
  },
): Promise<void> {
  // The client may break off at any moment; reading the body reports it.
  incoming.on("error", ignore);
  outgoing.on("error", ignore);
  try {
    const response = await fetch(request as unknown as Request);
    if (isStream(response)) return await writeStream(response, outgoing);
    // All other answers of the gateway are texts. A string is written together with the headers;
    // the `body` of a response would become a stream.
    const { status, fields, text } = await TextResponse.partsOf(response);
    outgoing.statusCode = status;
    for (const [name, value] of fields) outgoing.setHeader(name, value);
    if (incoming.complete) outgoing.end(text);
    else {
      const body = incoming.method === "HEAD" ? "" : text;
      connection.leave(lastAnswer(status, outgoing.getHeaders(), body));
    }
  } catch {
    // The gateway turns its errors into answers; without an answer the client may try again.
    incoming.destroy();
  }
}

/** Media types of answers that are written piece by piece: events, and exports of any size. */
const streamedTypes: readonly string[] = ["text/event-stream", "application/jsonl"];

function isStream(response: Response): boolean {
  if (TextResponse.isText(response)) return false;
  const [type] = (response.headers.get("content-type") ?? "").split(";");
  return response.ok && streamedTypes.includes(type);
}

/**
 * Writes the body as it comes, and cancels it when the client leaves. A body that fails breaks the
 * connection, so that the client does not take it for complete.
 */
async function writeStream(response: Response, outgoing: ServerResponse): Promise<void> {
  outgoing.statusCode = response.status;
  response.headers.forEach((value, name) => outgoing.setHeader(name, value));
  outgoing.flushHeaders();
  const body = present(response.body, "a streamed answer has a body");
  await pipeline(Readable.fromWeb(body as NodeReadableStream), outgoing).catch(ignore);
}

/** The parts of a `Request` that the gateway reads, without the cost of a real one. */
class ServedRequest {
  readonly method: string;
  /** The authority is fixed: the path must not depend on the Host header. */
  readonly url: string;
  readonly headers: ServedHeaders;
  readonly body: ArrivingBody | null;
  /** Is aborted when the client closes the connection before the answer. */
  readonly signal: CancelSignal;

  constructor(incoming: IncomingMessage, hungUp: CancelSignal) {
    const { headers, method = "GET", url = "/" } = incoming;
    this.method = method;
    this.url = `http://cairn${pathOf(url)}`;
    this.headers = new ServedHeaders(headers);
    const hasBody = headers["content-length"] !== undefined ||
      headers["transfer-encoding"] !== undefined;
    this.body = hasBody ? new ArrivingBody(incoming) : null;
    this.signal = hungUp;
  }
}

/** Path and query of a request target, which may be an absolute URL. */
function pathOf(target: string): string {
  if (target.startsWith("/")) return target;
  return `/${target.replace(/^https?:\/\/[^/]*\/?/i, "")}`;
}

/** The parts of `Headers` that the gateway reads. */
class ServedHeaders {
  readonly #values: IncomingMessage["headers"];

  constructor(values: IncomingMessage["headers"]) {
    this.#values = values;
  }

  get(name: string): string | null {
    const value = this.#values[name.toLowerCase()];
    return Array.isArray(value) ? value.join(", ") : value ?? null;
  }

  has(name: string): boolean {
    return this.#values[name.toLowerCase()] !== undefined;
  }
}

/** The last answer of a connection, as it is sent. */
function lastAnswer(status: number, fields: OutgoingHttpHeaders, text: string): string {
  const all = {
    ...fields,
    date: new Date().toUTCString(),
    "content-length": new TextEncoder().encode(text).byteLength,
    connection: "close",
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${text}`;
}

/** The answer to a request that cannot be read, or is late. */
function refusal(problem: ProblemError): string {
  const fields = { "content-type": "application/problem+json" };
  return lastAnswer(problem.status, fields, JSON.stringify(problem.body()));
}

function lateProblem(): ProblemError {
  return new ProblemError(
    "body-timeout",
    "The request was not complete in time. Send all of it at once.",
  );
}

function brokenProblem(error: Error & { readonly code?: string }): ProblemError {
  if (error.code === "HPE_HEADER_OVERFLOW") {
    return new ProblemError(
      "malformed-request",
      "The headers are too large; at most 16 KiB are read.",
    );
  }
  return new ProblemError(
    "malformed-request",
    `This is not an HTTP/1.1 request: ${error.message}.`,
  );
}

function ignore(): void {}
