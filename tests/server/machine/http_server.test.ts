/**
 * Goal: requests are read as they were sent, however they are cut. Method: raw connections to a
 * listening server in front of the gateway on doubles. The gateway's deadline runs on a virtual
 * clock; the server's own timeouts are real and short.
 */
import assert from "node:assert/strict";
import { eventually, post, problemIn, rank, rankBody, serve } from "./raw_http_client.ts";

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

Deno.test("HEAD and empty answers have no body", async () => {
  await using server = await serve();
  const client = await server.connect();
  await client.send("HEAD /health/live HTTP/1.1\r\nhost: cairn\r\n\r\n");
  await client.send("DELETE /v1/items/a HTTP/1.1\r\nhost: cairn\r\nconnection: close\r\n\r\n");
  await client.untilClosed();
  assert.match(client.received, /^HTTP\/1\.1 200 [^]*\r\n\r\nHTTP\/1\.1 204 [^]*\r\n\r\n$/);
});
