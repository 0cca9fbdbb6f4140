/**
 * Goal: no client can hold a connection by sending late or nothing.
 */
import assert from "node:assert/strict";
import {
  Client,
  eventually,
  listen,
  post,
  problemIn,
  rankBody,
  serve,
  TIMEOUT_MS,
} from "./raw_http_client.ts";

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
  const server = await listen(async (request) => {
    const reader = request.body!.getReader();
    while (!(await reader.read()).done);
    return new Response("complete");
  }, { idleTimeoutMs: 100 * TIMEOUT_MS });
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
