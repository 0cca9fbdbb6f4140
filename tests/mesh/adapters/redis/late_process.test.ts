/**
 * The time to connect is the server's: long turns of the own event loop do not end it.
 */
import assert from "node:assert/strict";
import { within } from "../../../../mesh/adapters/redis/redis_client.ts";

/** Keeps the event loop busy. */
function work(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

Deno.test("a connection is not given up because this process was late", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let turns = 0;
  const turn = () => {
    work(30);
    if (++turns === 3) resolve("made");
    else setImmediate(turn);
  };
  setImmediate(turn);
  assert.equal(await within(20, promise), "made", "three turns, each longer than the time");
});

Deno.test("a server that does not answer is given up", async () => {
  await assert.rejects(within(20, new Promise(() => {})), /no connection within 20 ms/);
});
