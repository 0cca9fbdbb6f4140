/**
 * Goal: a client that closes its connection before the answer aborts the signal of its request, and
 * no other. Method: raw connections to a listening server in front of the gateway on doubles.
 */
import assert from "node:assert/strict";
import { eventually, rank, serve } from "./raw_http_client.ts";

/** A server whose rankings are answered when a test says so. */
async function serveWaiting() {
  const server = await serve();
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
  server.ranker.script = async (rank) => {
    await mayAnswer;
    return server.ranker.inOrder(rank);
  };
  const { asked, askedWith } = server.ranker;
  return {
    server,
    answer,
    untilAsked: (count: number) => eventually(() => Promise.resolve(asked.length === count)),
    aborted: () => askedWith.map(({ signals }) => signals?.map(({ aborted }) => aborted)),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("a client that closes its connection aborts its request, and not those of others", async () => {
  await using waiting = await serveWaiting();
  const { server, untilAsked, aborted, answer } = waiting;
  const [leaving, staying] = [await server.connect(), await server.connect()];
  await leaving.send(rank);
  await untilAsked(1);
  await staying.send(rank);
  await untilAsked(2);
  await leaving.close();
  await eventually(() => Promise.resolve(aborted()[0]?.[0] === true));
  assert.deepEqual(aborted(), [[true], [false]]);
  answer();
  await staying.until('"items"');
  assert.deepEqual(aborted(), [[true], [false]]);
});

Deno.test("an answered request is not aborted by the end of its connection, nor by a later request's", async () => {
  await using waiting = await serveWaiting();
  const { server, untilAsked, aborted, answer } = waiting;
  const client = await server.connect();
  answer();
  await client.send(rank);
  await client.until('"items"');
  server.ranker.script = () => new Promise<never>(() => {});
  await client.send(rank);
  await untilAsked(2);
  await client.close();
  await eventually(() => Promise.resolve(aborted()[1]?.[0] === true));
  assert.deepEqual(aborted(), [[false], [true]]);
});

Deno.test("requests that a client sent ahead are not begun after it has hung up", async () => {
  await using waiting = await serveWaiting();
  const { server, untilAsked, aborted, answer } = waiting;
  const client = await server.connect();
  await client.send(rank + rank + rank);
  await untilAsked(1);
  await client.close();
  await eventually(() => Promise.resolve(aborted()[0]?.[0] === true));
  answer();
  const later = await server.connect();
  await later.send(rank);
  await later.until('"items"');
  assert.deepEqual(aborted(), [[true], [false]]);
});
