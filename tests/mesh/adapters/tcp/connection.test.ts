import assert from "node:assert/strict";
import fc from "fast-check";
import { Connection, type ConnectionLimits } from "../../../../mesh/adapters/tcp/connection.ts";
import type { EncodedValue } from "../../../../mesh/adapters/tcp/encoded_value.ts";
import type { Clock } from "../../../../mesh/ports/clock.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";
import { MemoryStream, streamPair } from "./memory_stream.ts";
import { connectionLimits } from "./connection_limits.ts";

const value = (bytes: number): EncodedValue => ({
  structure: new Uint8Array(bytes),
  sections: [],
});

function connectionOver(
  stream: MemoryStream,
  clock: Clock,
  limits: Partial<ConnectionLimits> = {},
) {
  const connection = new Connection("learn", stream, clock, { ...connectionLimits, ...limits });
  const received: [number, number][] = [];
  const closed: string[] = [];
  connection.begin({
    onValue: (channel, { structure }) => received.push([channel, structure.byteLength]),
    onClosed: ({ message }) => closed.push(message),
  });
  return { connection, received, closed };
}

function twoConnections(limits: Partial<ConnectionLimits> = {}) {
  const clock = new VirtualClock();
  const [left, right] = streamPair();
  return {
    clock,
    streams: { left, right },
    left: connectionOver(left, clock, limits),
    right: connectionOver(right, clock, limits),
  };
}

Deno.test("heartbeats keep an idle connection open", async () => {
  const { clock, left, right } = twoConnections();
  await clock.advance(600_000);
  assert.deepEqual([left.closed, right.closed], [[], []]);
  right.connection.send(3, value(10));
  await clock.advance(1);
  assert.deepEqual(left.received, [[3, 10]]);
});

Deno.test("an idle connection sends a heartbeat at least every heartbeatMs, and few more", async () => {
  const { clock, left } = twoConnections();
  const sentAtMs: number[] = [];
  for (let frames = 0; clock.monotonicMs() < 600_000;) {
    await clock.advance(10);
    const { queued } = left.connection;
    if (queued.frames > frames) sentAtMs.push(clock.monotonicMs());
    frames = queued.frames;
  }
  const gapsMs = sentAtMs.slice(1).map((atMs, i) => atMs - sentAtMs[i]);
  assert.ok(Math.max(...gapsMs) <= 1_010, `${Math.max(...gapsMs)} ms without a frame`);
  assert.ok(sentAtMs.length <= 760, `${sentAtMs.length} heartbeats in 600 s`);
});

Deno.test("no pause between frames is longer than heartbeatMs, whenever messages are sent", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 2_500 }), { minLength: 1, maxLength: 20 }),
      async (pausesMs) => {
        const { clock, left } = twoConnections();
        let frames = 0, lastMs = 0;
        for (const pauseMs of pausesMs) {
          for (let ms = 0; ms < pauseMs; ms++) {
            await clock.advance(1);
            if (left.connection.queued.frames > frames) lastMs = clock.monotonicMs();
            frames = left.connection.queued.frames;
            assert.ok(clock.monotonicMs() - lastMs <= 1_001);
          }
          left.connection.send(1, value(1));
          lastMs = clock.monotonicMs();
          frames = left.connection.queued.frames;
        }
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("all connections of a process look after their peers at the same moments", async () => {
  const clock = new VirtualClock();
  const firedAtMs = new Set<number>();
  const counting: Clock = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    schedule: (delayMs, callback) =>
      clock.schedule(delayMs, () => {
        firedAtMs.add(Math.round(clock.monotonicMs()));
        callback();
      }),
  };
  for (let i = 0; i < 8; i++) {
    const [left, right] = streamPair();
    connectionOver(left, counting);
    connectionOver(right, clock);
    await clock.advance(37.3);
  }
  firedAtMs.clear();
  await clock.advance(8_000);
  assert.ok(firedAtMs.size <= 11, `${firedAtMs.size} wake-ups in 8 s`);
});

Deno.test("a peer that falls silent closes the connection within the stated time", async () => {
  const { clock, streams, left } = twoConnections();
  await clock.advance(10_000);
  streams.right.isCutOff = true;
  const sinceMs = clock.monotonicMs();
  await clock.advanceUntil(() => left.closed.length > 0, 10_000);
  assert.deepEqual(left.closed, ["host learn has sent nothing for 5000 ms"]);
  assert.ok(clock.monotonicMs() - sinceMs <= 5_010);
});

Deno.test("a large frame that takes long is no silence", async () => {
  const clock = new VirtualClock();
  const [far, near] = streamPair();
  const { closed, received } = connectionOver(near, clock);
  const bytes = new Uint8Array(16 + 30_000);
  new DataView(bytes.buffer).setUint32(0, bytes.length - 4, true);
  bytes[4] = 2;
  new DataView(bytes.buffer).setUint32(8, 30_000, true);
  for (let at = 0; at < bytes.length; at += 1_000) {
    await far.write(bytes.slice(at, at + 1_000));
    await clock.advance(1_000);
  }
  assert.deepEqual([closed, received], [[], [[0, 30_000]]]);
});

Deno.test("the reason of a close reaches the other side", async () => {
  const { clock, left, right } = twoConnections();
  await clock.settle(left.connection.close("host edge stops"));
  await clock.advance(1);
  assert.deepEqual([left.closed, right.closed], [[], ["host learn says: host edge stops"]]);
});

Deno.test("a malformed frame closes the connection with a reason on both sides", async () => {
  const { clock, streams, left, right } = twoConnections();
  await streams.left.write(new TextEncoder().encode("x".repeat(64)));
  await clock.advance(1);
  assert.equal(right.closed.length, 1);
  assert.match(right.closed[0], /^host learn sent a malformed frame: its type 120 is unknown/);
  assert.match(left.closed[0], /^host learn says: host learn sent a malformed frame/);
});

Deno.test("a frame above the limit closes the connection before memory is taken for it", async () => {
  const { clock, left, right } = twoConnections({ frameBytesMax: 1_000 });
  left.connection.send(0, value(1_001));
  await clock.advance(1);
  assert.match(right.closed[0], /it has 1001 bytes, and 1000 are allowed/);
});

Deno.test("a peer that takes nothing is refused new messages, then lost", async () => {
  const { clock, streams, left } = twoConnections({ windowBytes: 10_000, silenceMs: 60_000 });
  streams.left.isStuck = true;
  left.connection.send(0, value(9_000));
  await clock.advance(1);
  assert.equal(left.connection.isCongested, false);
  left.connection.send(0, value(1_000));
  assert.equal(left.connection.isCongested, true);
  for (let i = 0; i < 10; i++) left.connection.send(0, value(1_000));
  assert.deepEqual(left.closed, [
    "host learn does not keep up: 20192 bytes wait to be sent",
  ]);
  left.connection.send(0, value(1));
  await clock.advance(1_000);
});

Deno.test("a process that stood still reads before it calls the peer silent", () => {
  let nowMs = 0;
  let tick = () => {};
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    schedule(_delayMs, callback) {
      tick = callback;
      return { cancel() {} };
    },
  };
  const { closed } = connectionOver(new MemoryStream(), clock);
  nowMs = 20_000;
  tick();
  assert.deepEqual(closed, [], "bytes that came meanwhile are read after this tick");
  for (let i = 0; i < 3; i++) {
    nowMs += 500;
    tick();
  }
  assert.deepEqual(closed, ["host learn has sent nothing for 5000 ms"]);
});
