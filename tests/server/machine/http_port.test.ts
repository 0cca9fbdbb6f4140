/**
 * Goal: the port answers in every state of the server and closes in bounded time. Method: raw
 * connections to a port with a handler of the test's own.
 */
import assert from "node:assert/strict";
import { HttpPort } from "../../../server/machine/http_port.ts";

const DRAIN_MS = 300;
/** A drain time that no test waits for, and a bound that a loaded machine keeps. */
const [LONG_DRAIN_MS, SOON_MS] = [120_000, 60_000];
const open = (drainMs = DRAIN_MS, port = 0, stopAfterMs = 0) =>
  HttpPort.open({ host: "127.0.0.1", port, setting: "mesh.hosts.a.http", stopAfterMs, drainMs });

Deno.test("a port that is taken is refused with the place where another one is chosen", async () => {
  const port = await open();
  try {
    await assert.rejects(
      open(DRAIN_MS, Number(new URL(port.url).port)),
      /another program listens there; end it, or choose another port by mesh\.hosts\.a\.http\.$/,
    );
  } finally {
    await port.close();
  }
});

/** Reads the body by chunks, as the gateway does; a body that cannot be read is a 400. */
async function echo({ body }: Request): Promise<Response> {
  const chunks: Uint8Array[] = [];
  try {
    const reader = body?.getReader();
    for (let chunk = await reader?.read(); chunk?.value; chunk = await reader?.read()) {
      chunks.push(chunk.value);
    }
  } catch {
    return new Response("cut off", { status: 400 });
  }
  return new Response(new Blob(chunks as BlobPart[]));
}

/** A connection that has sent half of a request's body. */
async function halfSent(url: string) {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const write = (text: string) => connection.write(new TextEncoder().encode(text));
  await write("POST / HTTP/1.1\r\nhost: cairn\r\ncontent-length: 10\r\n\r\nhello");
  return {
    sendRest: () => write("world"),
    /**
     * The bytes until `end` has come or the connection is closed, which then is closed here too.
     */
    async answer(end: string): Promise<string> {
      let text = "";
      const buffer = new Uint8Array(4_096);
      while (!text.includes(end)) {
        const count = await connection.read(buffer).catch(() => null);
        if (count === null) break;
        text += new TextDecoder().decode(buffer.subarray(0, count));
      }
      connection.close();
      return text;
    },
  };
}

/** Resolves when the handler has begun to read a request. */
function observed(handler: typeof echo) {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  return {
    begun,
    handler(request: Request) {
      resolve();
      return handler(request);
    },
  };
}

/** A port whose handler reads a request that is half sent. */
async function portWithRequest(drainMs = LONG_DRAIN_MS) {
  const port = await open(drainMs);
  const { begun, handler } = observed(echo);
  port.serve(handler);
  const client = await halfSent(port.url);
  await begun;
  return { port, client };
}

Deno.test("a server that starts answers 503 with its progress, and is alive", async () => {
  const port = await open();
  port.report("making embedding_shard/3, actor 4 of 21");
  const early = await fetch(`${port.url}/v1/rank`, { method: "POST", body: "{}" });
  assert.equal(early.status, 503);
  assert.equal(early.headers.get("retry-after"), "1");
  const problem = await early.json();
  assert.equal(problem.type, "/problems/not-ready");
  assert.match(problem.detail, /starting: making embedding_shard\/3, actor 4 of 21/);
  assert.deepEqual(await (await fetch(`${port.url}/health/live`)).json(), { status: "live" });

  port.serve(echo);
  const served = await fetch(port.url, { method: "POST", body: "hello" });
  assert.equal(await served.text(), "hello");
  await port.close();
});

Deno.test("a port that is left answers all but /health/ready, and keeps no connection", async () => {
  const port = await open(DRAIN_MS, 0, LONG_DRAIN_MS);
  port.serve(echo);
  const send = async (path: string, body?: string) => {
    const response = await fetch(
      port.url + path,
      body === undefined ? {} : { method: "POST", body },
    );
    return [response.status, await response.text(), response.headers.get("connection")];
  };
  assert.equal((await send("/health/ready"))[0], 200);
  let hasLeft = false;
  void port.leave().then(() => hasLeft = true);
  assert.equal((await send("/health/ready"))[0], 503);
  assert.deepEqual(await send("/", "hello"), [200, "hello", "close"]);
  assert.equal((await send("/health/live"))[0], 200);
  assert.equal(hasLeft, false);
  await port.close();
});

Deno.test("behind the last answer of a connection, no request is carried out", async () => {
  const port = await open(DRAIN_MS, 0, LONG_DRAIN_MS);
  let requests = 0;
  port.serve(() => new Response(`${++requests}`));
  void port.leave();
  const { hostname, port: number } = new URL(port.url);
  const connection = await Deno.connect({ hostname, port: Number(number) });
  const request = "GET / HTTP/1.1\r\nhost: cairn\r\n\r\n";
  await connection.write(new TextEncoder().encode(request + request));
  const answers = await new Response(connection.readable).text();
  assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, requests);
  await port.close();
});

Deno.test("a port without load balancers is left at once", async () => {
  const port = await open();
  port.serve(echo);
  await port.leave();
  await port.close();
});

Deno.test("a request in progress at the stop ends as if there were none", async () => {
  const { port, client } = await portWithRequest();
  const closed = port.close();
  await client.sendRest();
  const answer = await client.answer("helloworld");
  assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.ok(answer.endsWith("helloworld"), answer);
  await closed;
});

Deno.test("new requests at the stop are answered 503 with Retry-After", async () => {
  const { port, client } = await portWithRequest();
  const closed = port.close();
  const late = await fetch(port.url, { method: "POST", body: "hello" });
  assert.equal(late.status, 503);
  assert.equal(late.headers.get("retry-after"), "1");
  assert.match((await late.json()).detail, /stopping/);
  await client.sendRest();
  await client.answer("helloworld");
  await closed;
});

Deno.test("a body that never ends holds the stop up for the drain time, and its client gets 503", async () => {
  const { port, client } = await portWithRequest(DRAIN_MS);
  const beganMs = performance.now();
  const [answer] = await Promise.all([client.answer("}"), port.close()]);
  assert.match(answer, /^HTTP\/1\.1 503 /);
  assert.match(answer, /retry-after: 1/);
  assert.match(answer, /The server is stopping/);
  assert.ok(performance.now() - beganMs < SOON_MS);
});

Deno.test("an idle connection does not hold the stop up", async () => {
  const port = await open(LONG_DRAIN_MS);
  port.serve(() => new Response("hello"));
  const { hostname, port: number } = new URL(port.url);
  const connection = await Deno.connect({ hostname, port: Number(number) });
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: cairn\r\n\r\n"));
  await connection.read(new Uint8Array(4_096));
  const beganMs = performance.now();
  await port.close();
  assert.ok(performance.now() - beganMs < SOON_MS);
  connection.close();
});

Deno.test("an abort cuts all connections at once", async () => {
  const { port, client } = await portWithRequest();
  const beganMs = performance.now();
  port.abort();
  assert.doesNotMatch(await client.answer("}"), / 200 /);
  await port.close();
  assert.ok(performance.now() - beganMs < SOON_MS);
});
