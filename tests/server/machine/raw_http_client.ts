/**
 * A server in front of the gateway on doubles, and raw connections to it.
 */
import assert from "node:assert/strict";
import {
  type Fetch,
  HttpServer,
  type HttpServerOptions,
} from "../../../server/machine/http_server.ts";
import { type FixtureParts, gatewayFixture } from "../../gateway/fixture.ts";

export const TIMEOUT_MS = 150;
/** A connection must be closed by then; generous, because test machines are busy. */
export const CLOSED_WITHIN_MS = 30_000;

export const utf8 = new TextEncoder();

/** Listens on a free port, with short timeouts except for those given. */
export function listen(
  fetch: Fetch,
  timeouts: Partial<Omit<HttpServerOptions, "host" | "port">> = {},
): Promise<HttpServer> {
  return HttpServer.listen({
    host: "127.0.0.1",
    port: 0,
    headersTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: TIMEOUT_MS,
    checkIntervalMs: 20,
    ...timeouts,
  }, fetch);
}

export async function serve(parts: FixtureParts = {}) {
  const fixture = gatewayFixture(parts);
  const server = await listen((request) => fixture.app.fetch(request), {
    requestTimeoutMs: 20 * TIMEOUT_MS,
  });
  const connections: Client[] = [];
  const unread: Deno.Conn[] = [];
  return {
    ...fixture,
    async connect(): Promise<Client> {
      const connection = new Client(await Deno.connect(server.address));
      connections.push(connection);
      return connection;
    },
    /** A connection that is never read. */
    async connectUnread() {
      const connection = await Deno.connect(server.address);
      unread.push(connection);
      /** Writes until the server has closed the connection. */
      async function untilCutOff(): Promise<void> {
        await eventually(() => connection.write(utf8.encode("\r\n")).then(() => false, () => true));
      }
      return { connection, untilCutOff };
    },
    async [Symbol.asyncDispose]() {
      for (const connection of unread) connection.close();
      for (const connection of connections) await connection.close();
      server.abort();
      await server.close();
    },
  };
}

/** A raw connection that collects everything that the server sends. */
export class Client {
  received = "";
  readonly #connection: Deno.Conn;
  readonly #closed: Promise<void>;
  #isOpen = true;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
    this.#closed = this.#receive();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** False when the server has closed the connection. */
  send(text: string): Promise<boolean> {
    return this.#connection.write(utf8.encode(text)).then(() => true, () => false);
  }

  /** Sends `text` again and again until the server has closed the connection. */
  async sendUntilClosed(text: string, everyMs = 10): Promise<void> {
    const untilMs = performance.now() + CLOSED_WITHIN_MS;
    while (this.#isOpen && await this.send(text)) {
      assert.ok(performance.now() < untilMs, `still open; received ${this.received}`);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    await this.untilClosed();
  }

  async untilClosed(): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = () => reject(new Error(`The connection is still open; received ${this.received}`));
    const timer = setTimeout(late, CLOSED_WITHIN_MS);
    await Promise.race([this.#closed, promise]).finally(() => clearTimeout(timer));
  }

  async until(end: string): Promise<string> {
    const untilMs = performance.now() + CLOSED_WITHIN_MS;
    while (!this.received.includes(end)) {
      assert.ok(this.#isOpen && performance.now() < untilMs, `received ${this.received}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this.received;
  }

  async close(): Promise<void> {
    try {
      this.#connection.close();
    } catch { /* closed by the server */ }
    await this.#closed;
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      const count = await this.#connection.read(buffer).catch(() => null);
      if (count === null) break;
      this.received += new TextDecoder().decode(buffer.subarray(0, count));
    }
    this.#isOpen = false;
  }
}

/** Tries again, after other events of the process, until it holds. */
export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + CLOSED_WITHIN_MS;
  while (!await holds()) {
    assert.ok(performance.now() < untilMs, "it does not hold in time");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export function problemIn(received: string) {
  assert.match(received, /content-type: application\/problem\+json/i, received);
  return JSON.parse(received.slice(received.indexOf("\r\n\r\n") + 4));
}

export const post = (headers: string) =>
  `POST /v1/rank HTTP/1.1\r\nhost: cairn\r\ncontent-type: application/json\r\n${headers}\r\n\r\n`;
export const rankBody = '{"user":"u","candidates":[{"id":"a"}]}';
export const rank = post(`content-length: ${rankBody.length}`) + rankBody;
