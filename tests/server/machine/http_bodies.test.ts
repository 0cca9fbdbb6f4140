/**
 * Goal: a refused, broken or declared body costs neither memory nor the next request.
 */
import assert from "node:assert/strict";
import { eventually, post, rank, rankBody, serve } from "./raw_http_client.ts";

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
