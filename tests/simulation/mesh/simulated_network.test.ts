/**
 * The simulated network behaves as TCP does, and production's connections work over it.
 */
import assert from "node:assert/strict";
import { HostLinks } from "../../../mesh/adapters/tcp/host_links.ts";
import { PROTOCOLS } from "../../../mesh/adapters/tcp/host_identity.ts";
import type { Socket } from "../../../mesh/adapters/tcp/network.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { type NetworkUser, SimulatedNetwork } from "../../../simulation/mesh/simulated_network.ts";
import { NodeClock } from "../../../simulation/world/node_clock.ts";

const address = { hostname: "b", port: 7400 };
const text = (value: string) => new TextEncoder().encode(value);

class Hosts {
  readonly clock = new VirtualClock();
  readonly network = new SimulatedNetwork({ seed: 1, clock: this.clock, latencyMs: 1 });
  readonly a = this.user("a");
  readonly b = this.user("b");

  user(host: string) {
    return { host, incarnation: 0, clock: new NodeClock(this.clock, () => {}) };
  }

  /** A connection from `a` to `b`. */
  async connected(): Promise<{ readonly left: Socket; readonly right: Socket }> {
    const accepted = this.network.for(this.b).listen(address).accept();
    const left = await this.clock.settle(this.network.for(this.a).connect(address, 1_000));
    return { left, right: await this.clock.settle(accepted) };
  }
}

async function read(socket: Socket): Promise<string | null> {
  const into = new Uint8Array(64);
  const count = await socket.read(into);
  return count === null ? null : new TextDecoder().decode(into.subarray(0, count));
}

Deno.test("bytes that are sent during a cut arrive after it, in order", async () => {
  const { clock, network, connected } = bound();
  const { left, right } = await connected();
  network.way("a", "b").cut(500);
  await left.write(text("one "));
  await left.write(text("two"));
  let received = "";
  const reading = (async () => {
    while (received.length < 7) received += await read(right);
  })();
  await clock.advance(400);
  assert.equal(received, "");
  await clock.settle(reading);
  assert.equal(received, "one two");
  // The other way was open.
  await right.write(text("back"));
  assert.equal(await clock.settle(read(left)), "back");
});

Deno.test("the end of a process is told to its peers, the end of its machine is not", async () => {
  const { clock, network, connected, a } = bound();
  const { right } = await connected();
  const end = read(right);
  network.died(a, false);
  assert.equal(await clock.settle(end), null);

  const other = bound();
  const { right: silent } = await other.connected();
  let ended = false;
  read(silent).then(() => ended = true, () => ended = true);
  other.network.died(other.a, true);
  await other.clock.advance(10_000);
  assert.equal(ended, false);
});

Deno.test("a host that is not there refuses at once, and one behind a cut not before its time", async () => {
  const { clock, network, a, b } = bound();
  const left = network.for(a);
  await assert.rejects(clock.settle(left.connect(address, 1_000)), /connection refused/);
  assert.ok(clock.monotonicMs() < 100);
  network.for(b).listen(address);
  network.way("b", "a").cut(5_000);
  const beganMs = clock.monotonicMs();
  await assert.rejects(clock.settle(left.connect(address, 1_000)), /timed out/);
  assert.ok(clock.monotonicMs() - beganMs >= 1_000);
});

/** The links of a host with one other. */
function open(user: NetworkUser, peer: string, network: SimulatedNetwork): HostLinks {
  return HostLinks.open({
    own: {
      mesh: "m",
      host: user.host,
      incarnation: `${user.host}-1`,
      protocols: PROTOCOLS,
      configuration: {},
      nodes: [`${user.host}:main`],
    },
    address: { hostname: user.host, port: 7400 },
    peers: new Map([[peer, { hostname: peer, port: 7400 }]]),
    secrets: ["a secret of both hosts"],
    limits: {
      heartbeatMs: 300,
      silenceMs: 1_500,
      frameBytesMax: 2 ** 20,
      windowBytes: 2 ** 20,
    },
    network: network.for(user),
    clock: user.clock,
    random: new SeededRandom(1).stream(user.host),
    telemetry: new TelemetryRecorder(),
    onChannel: () => {},
  });
}

Deno.test("production's links come, break in silence and come again", async () => {
  const { clock, network, a, b } = bound();
  const left = open(a, "b", network);
  const right = open(b, "a", network);
  const linked = (isLinked: boolean) => () =>
    left.peers[0].isLinked === isLinked && right.peers[0].isLinked === isLinked;
  await clock.advanceUntil(linked(true), 5_000);
  network.way("a", "b").cut(4_000);
  await clock.advanceUntil(linked(false), 3_000);
  await clock.advanceUntil(linked(true), 20_000);
  const { sent, received } = network.trafficOf("a");
  assert.ok(sent.bytes > 0 && received.bytes > 0);
  await clock.settle(Promise.all([left.close(), right.close()]));
});

Deno.test("a host that has begun is connected with at once, however long it was away", async () => {
  // After a minute, and at several moments of the first attempt.
  for (const awayMs of [60_000, 0, 0.5, 1, 1.5, 2, 2.5]) {
    const { clock, network, a, b } = bound();
    const left = open(a, "b", network);
    await clock.advance(awayMs);
    const right = open(b, "a", network);
    left.hostBegan("b");
    await clock.advance(30);
    assert.deepEqual([left.peers[0].isLinked, right.peers[0].isLinked], [true, true], `${awayMs}`);
    await clock.settle(Promise.all([left.close(), right.close()]));
  }
});

/** A network whose methods can be taken apart. */
function bound() {
  const hosts = new Hosts();
  const { clock, network, a, b } = hosts;
  return { clock, network, a, b, connected: () => hosts.connected() };
}
