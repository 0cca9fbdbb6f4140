import assert from "node:assert/strict";
import { ChannelLink } from "../../../../mesh/adapters/tcp/channel_link.ts";
import { connectionLimits } from "./connection_limits.ts";
import { DenoRandom } from "../../../../mesh/adapters/deno/deno_random.ts";
import type { OpenedChannel } from "../../../../mesh/adapters/tcp/host_links.ts";
import { ActorFailedError } from "../../../../mesh/runtime/errors.ts";
import { Node } from "../../../../mesh/runtime/node.ts";
import { NodeLink } from "../../../../mesh/runtime/node_link.ts";
import { TelemetryRecorder } from "../../../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";
import { counterDefinition, type CounterMessage } from "../../runtime/counter_actor.ts";
import { clock, type HostSettings, openHost, until } from "./two_hosts.ts";

const budgetMs = 10_000;

/** A host with a node, and its counter. */
async function nodeHost(host: "a" | "b", settings: HostSettings = {}) {
  const node = new Node({
    name: `${host}:main`,
    clock,
    random: new DenoRandom(),
    telemetry: new TelemetryRecorder(),
  });
  node.setPlacement([["counter/a", "a:main"], ["counter/b", "b:main"]]);
  await node.spawn(counterDefinition(), host, { start: 0 });
  const onChannel = ({ channel, peer, purpose }: OpenedChannel) => {
    const link = new ChannelLink(channel, connectionLimits.frameBytesMax);
    new NodeLink(node, peer, link, { isBulk: purpose === "bulk" });
  };
  const { links, telemetry, channels } = openHost(host, { ...settings, onChannel });
  return {
    node,
    links,
    telemetry,
    channels,
    other: node.actorRef<CounterMessage>(host === "a" ? "counter/b" : "counter/a"),
    async stop() {
      await links.close();
      await node.stop();
    },
  };
}

async function twoNodes() {
  const b = await nodeHost("b");
  const a = await nodeHost("a", { peerPort: b.links.port });
  await until(() => a.channels.length === 2 && b.channels.length === 2);
  return { a, b };
}

Deno.test("actors of two hosts tell and ask each other", async () => {
  const { a, b } = await twoNodes();
  for (let i = 0; i < 100; i++) a.other.tell({ kind: "add", amount: 1 });
  assert.equal(await a.other.ask({ kind: "relay", path: [] }, { budgetMs }), 100);
  assert.equal(await b.other.ask({ kind: "getCount" }, { budgetMs }), 0);
  const values = new Float32Array([1, 2, 3]);
  const { sum } = await a.other.ask({ kind: "sumOf", values }, {
    budgetMs,
    bulk: true,
    transfer: [values.buffer],
  });
  assert.equal(sum, 6);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a lost host fails its asks at once by name, and answers when it is back", async () => {
  const { a, b } = await twoNodes();
  const waiting = a.other.ask({ kind: "answerLater" }, { budgetMs: 60_000 }).catch((e) => e);
  await a.other.ask({ kind: "getCount" }, { budgetMs });
  const { port } = b.links;
  await b.stop();
  const error = await waiting;
  assert.ok(error instanceof ActorFailedError);
  assert.match(error.message, /counter\/b failed: b:main is gone: host b says: host b stops/);
  await assert.rejects(
    a.other.ask({ kind: "getCount" }, { budgetMs: 60_000 }),
    /counter\/b failed: b:main is gone: host b says: host b stops/,
  );
  assert.equal(a.links.peers[0].isLinked, false);

  const again = await nodeHost("b", { port });
  await until(() => a.links.peers[0].isLinked);
  a.other.tell({ kind: "add", amount: 5 });
  assert.equal(await a.other.ask({ kind: "relay", path: [] }, { budgetMs }), 5);
  await Promise.all([a.stop(), again.stop()]);
});

Deno.test("a second connection of a host takes the place of the first", async () => {
  const { a, b } = await twoNodes();
  const waiting = b.other.ask({ kind: "answerLater" }, { budgetMs: 60_000 }).catch((e) => e);
  await b.other.ask({ kind: "getCount" }, { budgetMs });
  // The process of `a` was replaced, and `b` has not noticed the end of the old connection.
  const twin = await nodeHost("a", { peerPort: b.links.port });
  assert.match((await waiting).message, /a:main is gone: host a has connected again/);
  await until(() => twin.channels.length === 2);
  await a.links.close();
  await until(() => b.links.peers[0].isLinked);
  await Promise.all([a.node.stop(), twin.stop(), b.stop()]);
});

Deno.test("a message above the limit fails alone, and says what to do", async () => {
  const { a, b } = await twoNodes();
  const values = new Float32Array(connectionLimits.frameBytesMax / 4 + 1);
  const large = a.other.ask({ kind: "sumOf", values }, { budgetMs }).catch((e) => e);
  const small = a.other.ask({ kind: "getCount" }, { budgetMs });
  assert.match((await large).message, /cannot be sent to b:main: .*Send fewer rows at a time/);
  assert.equal(await small, 0);
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a cycle of asks over hosts is an error at once", async () => {
  const { a, b } = await twoNodes();
  const error = await a.other.ask({ kind: "relay", path: ["counter/a", "counter/b"] }, { budgetMs })
    .catch((reason) => reason);
  assert.match(
    `${error}`,
    /CallCycleError: Call cycle counter\/b→counter\/a→counter\/b: counter\/b is still handling/,
  );
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("a host that never connects is named, once, with the remedy", async () => {
  const virtual = new VirtualClock();
  const b = openHost("b", { clock: virtual });
  await virtual.advance(10_000);
  assert.deepEqual(b.links.peers, [
    { host: "a", isLinked: false, wasLinked: false, reason: undefined },
  ]);
  await virtual.advance(60_000);
  const reason =
    "host a has not connected; start it, or restart it with the file that lists b under mesh.hosts";
  assert.deepEqual(b.links.peers, [{ host: "a", isLinked: false, wasLinked: false, reason }]);
  assert.deepEqual(b.telemetry.lines.map(({ message }) => message), [
    `no link with host a: ${reason}`,
  ]);
  await b.links.close();
});
