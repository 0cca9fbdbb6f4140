/**
 * Goal: no client can hold a connection, memory or a wrong path. Method: raw connections to a
 * listening server in front of the gateway on doubles. The gateway's deadline runs on a virtual
 * clock; the server's own timeouts are real and short.
 */
import assert from "node:assert/strict";
import { MemoryProfileStore } from "../../../mesh/adapters/memory/memory_profile_store.ts";
import { ProfileStoreUnavailableError } from "../../../mesh/ports/profile_store.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { HttpServer } from "../../../server/machine/http_server.ts";
import { type FixtureParts, gatewayFixture, startMs } from "../../gateway/fixture.ts";

const TIMEOUT_MS = 150;
/** A connection must be closed by then; generous, because test machines are busy. */
const CLOSED_WITHIN_MS = 30_000;

const utf8 = new TextEncoder();

async function serve(parts: FixtureParts = {}) {
  const fixture = gatewayFixture(parts);
  const server = await HttpServer.listen({
    host: "127.0.0.1",
    port: 0,
    headersTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: 20 * TIMEOUT_MS,
    idleTimeoutMs: TIMEOUT_MS,
    checkIntervalMs: 20,
  }, (request) => fixture.app.fetch(request));
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
class Client {
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
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + CLOSED_WITHIN_MS;
  while (!await holds()) {
    assert.ok(performance.now() < untilMs, "it does not hold in time");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function problemIn(received: string) {
  assert.match(received, /content-type: application\/problem\+json/i, received);
  return JSON.parse(received.slice(received.indexOf("\r\n\r\n") + 4));
}

const post = (headers: string) =>
  `POST /v1/rank HTTP/1.1\r\nhost: cairn\r\ncontent-type: application/json\r\n${headers}\r\n\r\n`;
const rankBody = '{"user":"u","candidates":[{"id":"a"}]}';
const rank = post(`content-length: ${rankBody.length}`) + rankBody;

Deno.test("headers that arrive too slowly are answered 408 and the connection is closed", async () => {
  await using server = await serve();
  const client = await server.connect();
  await client.send("GET /health/live HTTP/1.1\r\n");
  await client.sendUntilClosed("x-header: slow\r\n");
  assert.match(client.received, /^HTTP\/1\.1 408 /);
  assert.equal(problemIn(client.received).type, "/problems/body-timeout");
});

Deno.test("late headers of a second request are answered 408", async () => {
  await using server = await serve();
  const client = await server.connect();
  await client.send("GET /health/live HTTP/1.1\r\nhost: cairn\r\n\r\n");
  await client.until("live");
  client.received = "";
  await client.send("GET /health/live HTTP/1.1\r\n");
  await client.sendUntilClosed("x-header: slow\r\n");
  assert.match(client.received, /^HTTP\/1\.1 408 /);
});

Deno.test("a late body that the handler awaits for ever is answered 408 and closed", async () => {
  const server = await HttpServer.listen({
    host: "127.0.0.1",
    port: 0,
    headersTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: 100 * TIMEOUT_MS,
    checkIntervalMs: 20,
  }, async (request) => {
    const reader = request.body!.getReader();
    while (!(await reader.read()).done);
    return new Response("complete");
  });
  const client = new Client(await Deno.connect(server.address));
  await client.send(post("content-length: 1000000"));
  await client.sendUntilClosed("x");
  assert.match(client.received, /^HTTP\/1\.1 408 /);
  assert.match(problemIn(client.received).detail, /Send all of it at once/);
  await client.close();
  server.abort();
  await server.close();
});

Deno.test("a connection that sends nothing, and one that is idle after an answer, are closed", async () => {
  await using server = await serve();
  const silent = await server.connect();
  const idle = await server.connect();
  await idle.send("GET /health/live HTTP/1.1\r\nhost: cairn\r\n\r\n");
  await idle.until("live");
  await silent.untilClosed();
  await idle.untilClosed();
});

for (
  const [name, headers, chunk] of [
    ["of declared length", "content-length: 1000000", "x"],
    ["in chunks", "transfer-encoding: chunked", "1\r\nx\r\n"],
  ]
) {
  Deno.test(`a late body ${name} is answered 408 and closed, although the client goes on`, async () => {
    await using server = await serve({ options: { deadlineMs: 100, requestsInFlightMax: 1 } });
    const client = await server.connect();
    await client.send(post(headers) + chunk);
    await eventually(async () => (await server.post("/v1/rank", "{}")).status === 429);
    await server.clock.advance(100);
    await client.sendUntilClosed(chunk);
    assert.match(client.received, /^HTTP\/1\.1 408 /);
    assert.equal(problemIn(client.received).type, "/problems/body-timeout");
    assert.equal((await server.post("/v1/rank", rankBody)).status, 200, "it is no longer counted");
  });
}

Deno.test("a body that is refused unread closes the connection", async () => {
  await using server = await serve({ options: { apiKeys: ["k".repeat(16)] } });
  const client = await server.connect();
  await client.send(post("content-length: 1000000"));
  await client.sendUntilClosed("x".repeat(1000));
  assert.match(client.received, /^HTTP\/1\.1 401 /);
});

Deno.test("a client that sends its body in pieces gets the answer that refused it", async () => {
  await using server = await serve({ options: { apiKeys: ["k".repeat(16)] } });
  const client = await server.connect();
  await client.send(post("content-length: 40000"));
  await client.until("}");
  for (let i = 0; i < 4; i++) assert.ok(await client.send("x".repeat(10_000)), `piece ${i}`);
  await client.untilClosed();
  assert.match(client.received, /^HTTP\/1\.1 401 /);
});

Deno.test("a request behind a refused body is not carried out", async () => {
  await using server = await serve({ options: { bodyBytesMax: 1_000 } });
  const client = await server.connect();
  await client.send(post("content-length: 2000"));
  await client.until("}");
  assert.ok(await client.send("x".repeat(2_000) + rank));
  await client.untilClosed();
  assert.match(client.received, /^HTTP\/1\.1 413 /);
  assert.equal(server.ranker.asked.length, 0);
});

Deno.test("a client that breaks off in the middle of its body leaves nothing behind", async () => {
  await using server = await serve({ options: { requestsInFlightMax: 1, bodiesBytesMax: 100 } });
  for (let i = 0; i < 5; i++) {
    const client = await server.connect();
    await client.send(post("content-length: 90") + "x".repeat(80));
    await client.close();
  }
  await eventually(async () => (await server.post("/v1/rank", rankBody)).status === 200);
});

const broken: Record<string, string> = {
  "two lengths": post("content-length: 1\r\ncontent-length: 2") + "xx",
  "a length and chunks": post("content-length: 1\r\ntransfer-encoding: chunked") +
    "1\r\nx\r\n0\r\n\r\n",
  "an unknown transfer encoding": post("transfer-encoding: gzip") + "xx",
  "TLS": "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "headers of 20 kB": `GET / HTTP/1.1\r\nhost: cairn\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
  "a header without a name": "GET / HTTP/1.1\r\nhost: cairn\r\n: x\r\n\r\n",
  "a chunk of a negative size": post("transfer-encoding: chunked") + "-1\r\nx\r\n0\r\n\r\n",
};

for (const [name, text] of Object.entries(broken)) {
  Deno.test(`a request that is not HTTP/1.1 is a problem and is closed: ${name}`, async () => {
    await using server = await serve();
    const client = await server.connect();
    await client.send(text);
    await client.untilClosed();
    assert.match(client.received, /^HTTP\/1\.1 400 /);
    assert.equal(problemIn(client.received).type, "/problems/malformed-request");
    assert.equal(server.ranker.asked.length, 0);
  });
}

Deno.test("bytes behind a request that is being answered are not answered in its place", async () => {
  await using server = await serve();
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
  server.ranker.script = async (rank) => {
    await mayAnswer;
    return server.ranker.inOrder(rank);
  };
  const client = await server.connect();
  await client.send(rank);
  await eventually(() => Promise.resolve(server.ranker.asked.length === 1));
  await client.send("this is no request\r\n\r\n");
  await client.untilClosed();
  answer();
  assert.equal(client.received, "", "the client would take a 400 for the answer of its ranking");
});

Deno.test("the path is the request's, whatever the Host header says", async () => {
  await using server = await serve();
  const answers: Record<string, [target: string, host: string, answer: RegExp]> = {
    "path in the host": ["/v1/items/i1", "x/health/live?", /^HTTP\/1\.1 400 [^]*Host header/],
    "fragment in the host": ["/v1/items/i1", "x#", /^HTTP\/1\.1 400 /],
    "absolute target": ["http://elsewhere/health/live", "x", /^HTTP\/1\.1 200 [^]*"live"/],
    "absolute target without a path": ["http://elsewhere", "x", /^HTTP\/1\.1 200 [^]*<html/],
    "two slashes": ["//elsewhere/health/live", "x", /^HTTP\/1\.1 404 /],
    "dots": ["/health/../metrics", "x", /^HTTP\/1\.1 404 /],
    "a dot as an id": ["/v1/items/%2e", "x", /^HTTP\/1\.1 422 [^]*send an id other than/],
    "an encoded slash": ["/v1/items/a%2Fb", "x", /^HTTP\/1\.1 404 [^]*item \\"a\/b\\"/],
  };
  for (const [name, [target, host, answer]] of Object.entries(answers)) {
    const client = await server.connect();
    await client.send(`GET ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    await client.untilClosed();
    assert.match(client.received, answer, name);
  }
});

Deno.test("a body is read whole however it is cut, and a connection is used again", async () => {
  await using server = await serve();
  const client = await server.connect();
  for (const byte of rank) await client.send(byte);
  await client.until('"items"');
  const chunked = [...rankBody].map((byte) => `1\r\n${byte}\r\n`).join("") + "0\r\n\r\n";
  client.received = "";
  await client.send(post("transfer-encoding: chunked") + chunked);
  await client.until('"items"');
  assert.match(client.received, /^HTTP\/1\.1 200 /);
  client.received = "";
  await client.send(rank + rank);
  await client.until('"ranking-4"');
  assert.equal(client.received.match(/HTTP\/1\.1 200 /g)?.length, 2, "pipelined requests");
});

Deno.test("a client that sends requests and reads no answer is cut off, and costs one answer", async () => {
  await using server = await serve();
  let answered = 0;
  server.ranker.script = (rank) => {
    answered++;
    return server.ranker.inOrder(rank);
  };
  const { connection, untilCutOff } = await server.connectUnread();
  await connection.write(utf8.encode(rank.repeat(500)));
  await untilCutOff();
  assert.ok(answered <= 16, `${answered} requests of 500 were answered`);
});

Deno.test("a client that does not take its answer is cut off, one that takes it slowly is not", async () => {
  const answer = "x".repeat(20_000_000);
  const server = await HttpServer.listen({
    host: "127.0.0.1",
    port: 0,
    headersTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: TIMEOUT_MS,
    checkIntervalMs: 20,
  }, () => new Response(answer));
  const request = utf8.encode("GET / HTTP/1.1\r\nhost: cairn\r\n\r\n");
  const unread = await Deno.connect(server.address);
  await unread.write(request);
  await eventually(() => unread.write(utf8.encode("\r\n")).then(() => false, () => true));
  unread.close();

  const slow = await Deno.connect(server.address);
  await slow.write(request);
  let bytes = 0;
  for (const buffer = new Uint8Array(1 << 20); bytes < answer.length;) {
    const count = await slow.read(buffer);
    assert.ok(count !== null, `cut off after ${bytes} bytes`);
    bytes += count;
  }
  slow.close();
  server.abort();
  await server.close();
});

Deno.test("a stream of events stays open while events come, and is cut off when none come", async () => {
  let eventsLeft = 20;
  const server = await HttpServer.listen({
    host: "127.0.0.1",
    port: 0,
    headersTimeoutMs: TIMEOUT_MS,
    requestTimeoutMs: TIMEOUT_MS,
    idleTimeoutMs: TIMEOUT_MS,
    checkIntervalMs: 20,
  }, () => {
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 25));
        if (eventsLeft === 0) return await new Promise(() => {});
        controller.enqueue(utf8.encode(`data: ${--eventsLeft}\n\n`));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  });
  const client = new Client(await Deno.connect(server.address));
  await client.send("GET / HTTP/1.1\r\nhost: cairn\r\n\r\n");
  await client.until("data: 0\n");
  await client.untilClosed();
  server.abort();
  await server.close();
});

Deno.test("HEAD and empty answers have no body", async () => {
  await using server = await serve();
  const client = await server.connect();
  await client.send("HEAD /health/live HTTP/1.1\r\nhost: cairn\r\n\r\n");
  await client.send("DELETE /v1/items/a HTTP/1.1\r\nhost: cairn\r\nconnection: close\r\n\r\n");
  await client.untilClosed();
  assert.match(client.received, /^HTTP\/1\.1 200 [^]*\r\n\r\nHTTP\/1\.1 204 [^]*\r\n\r\n$/);
});

Deno.test("memory is taken for the bytes that arrive, not for those that are declared", async () => {
  await using server = await serve({ options: { deadlineMs: 60_000 } });
  const declare = async () => {
    const client = await server.connect();
    await client.send(post("content-length: 1000000") + "x".repeat(100));
  };
  await declare();
  const beforeBytes = Deno.memoryUsage().rss;
  await Promise.all(Array.from({ length: 200 }, declare));
  await (await server.post("/v1/rank", rankBody)).body?.cancel();
  const grownBytes = Deno.memoryUsage().rss - beforeBytes;
  assert.ok(grownBytes < 100e6, `${grownBytes} bytes for 20 kB; 200 MB were declared`);
});

Deno.test("an export is written page by page, and one that fails breaks the connection", async () => {
  const store = new MemoryProfileStore(new VirtualClock({ startMs }));
  const fixture = gatewayFixture({ profiles: store });
  for (let i = 0; i < 250; i++) await store.put("item", `${i}`, { i });
  const server = await HttpServer.listen(
    {
      host: "127.0.0.1",
      port: 0,
      headersTimeoutMs: 30_000,
      requestTimeoutMs: 30_000,
      idleTimeoutMs: 30_000,
      checkIntervalMs: 1_000,
    },
    (request) => fixture.app.fetch(request),
  );
  const url = `http://127.0.0.1:${server.address.port}/v1/items.jsonl`;
  const list = store.list.bind(store);
  const held = Promise.withResolvers<void>();
  try {
    store.list = async (kind, cursor, limit) => {
      if (cursor !== undefined) await held.promise;
      return await list(kind, cursor, limit);
    };
    const response = await fetch(url);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    const { value: first } = await reader.read();
    assert.match(first ?? "", /^\{"id":"0"/, "the first page comes before the second is read");
    held.resolve();
    let text = first ?? "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
    assert.equal(text.trimEnd().split("\n").length, 250);

    store.list = (kind, cursor, limit) =>
      cursor === undefined
        ? list(kind, cursor, limit)
        : Promise.reject(new ProfileStoreUnavailableError("the disk", "it is gone"));
    const broken = await fetch(url);
    assert.equal(broken.status, 200);
    await assert.rejects(broken.text(), TypeError);
  } finally {
    server.abort();
    await server.close();
  }
});
