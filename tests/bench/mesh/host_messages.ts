/**
 * Measures messages between two processes over loopback sockets, beside those between two threads:
 * tells, asks one after another and many at a time, and arrays that are moved. Each case checks the
 * answers before it prints its time.
 *
 *     deno run -A tests/bench/mesh/host_messages.ts
 */
import assert from "node:assert/strict";
import { DenoClock } from "../../../mesh/adapters/deno/deno_clock.ts";
import { DenoRandom } from "../../../mesh/adapters/deno/deno_random.ts";
import { startWorkerThreads } from "../../../mesh/adapters/deno/worker_threads.ts";
import { ChannelLink } from "../../../mesh/adapters/tcp/channel_link.ts";
import { connectionLimits } from "../../mesh/adapters/tcp/connection_limits.ts";
import { denoNetwork } from "../../../mesh/adapters/tcp/deno_network.ts";
import { HostLinks } from "../../../mesh/adapters/tcp/host_links.ts";
import type { HostAddress } from "../../../mesh/adapters/tcp/network.ts";
import { PROTOCOLS } from "../../../mesh/adapters/tcp/host_identity.ts";
import type { ActorDefinition, ActorRef, Request } from "../../../mesh/runtime/actor.ts";
import { Node } from "../../../mesh/runtime/node.ts";
import { NodeLink } from "../../../mesh/runtime/node_link.ts";
import { defineNodeActor } from "../../../mesh/runtime/node_actor.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { counterDefinition, type CounterMessage } from "../../mesh/runtime/counter_actor.ts";
import { bestMs } from "./best_ms.ts";

const BUDGET = { budgetMs: 30_000 };
const mailbox = { capacity: 1_000_000, overflow: "reject" } as const;
const clock = new DenoClock();

function nodeOf(name: string): Node {
  const node = new Node({
    name,
    clock,
    random: new DenoRandom(),
    telemetry: new TelemetryRecorder(),
  });
  node.setPlacement([["counter/b", "b:main"], ["echo/b", "b:main"], [
    "counter/worker-1",
    "worker-1",
  ]]);
  return node;
}

function link(node: Node, host: string, peers: ReadonlyMap<string, HostAddress>): HostLinks {
  return HostLinks.open({
    own: {
      mesh: "bench",
      host,
      incarnation: crypto.randomUUID(),
      protocols: PROTOCOLS,
      configuration: {},
      nodes: [node.name],
    },
    address: { hostname: "127.0.0.1", port: 0 },
    peers,
    secrets: [],
    limits: connectionLimits,
    network: denoNetwork,
    clock,
    random: new DenoRandom().stream("backoff"),
    telemetry: new TelemetryRecorder(),
    onChannel({ channel, peer, purpose }) {
      const over = new ChannelLink(channel, connectionLimits.frameBytesMax);
      new NodeLink(node, peer, over, { isBulk: purpose === "bulk" });
    },
  });
}

interface Echo extends Request<Float32Array<ArrayBuffer>> {
  readonly kind: "echo";
  readonly values: Float32Array<ArrayBuffer>;
}

const echoDefinition: ActorDefinition<Echo, undefined> = {
  kind: "echo",
  mailbox,
  restart: { restartsMax: 1, periodMs: 1_000, backoffMs: 10, backoffMsMax: 10 },
  priorityOf: () => "read",
  create: (context) => ({
    receive: (message) => context.reply(message, message.values, [message.values.buffer]),
  }),
};

/** The other process: a counter that answers until it is killed. */
async function serve(): Promise<void> {
  const node = nodeOf("b:main");
  await node.spawn(counterDefinition({ mailbox }), "b", { start: 0 });
  await node.spawn(echoDefinition, "b", undefined);
  const links = link(node, "b", new Map([["a", { hostname: "127.0.0.1", port: 1 }]]));
  console.log(links.port);
}

function row(what: string, where: string, count: number, ms: number, more = ""): void {
  const us = (ms * 1_000 / count).toFixed(2).padStart(9);
  console.log(`${what.padEnd(36)} ${where.padEnd(14)} ${us} us ${more}`);
}

async function measure(where: string, counter: ActorRef<CounterMessage>): Promise<void> {
  const asks = 5_000;
  row(
    "ask, one after another",
    where,
    asks,
    await bestMs(async () => {
      for (let i = 0; i < asks; i++) await counter.ask({ kind: "getCount" }, BUDGET);
    }),
  );
  row(
    "ask, 100 at a time",
    where,
    asks,
    await bestMs(async () => {
      for (let i = 0; i < asks; i += 100) {
        await Promise.all(
          Array.from({ length: 100 }, () => counter.ask({ kind: "getCount" }, BUDGET)),
        );
      }
    }),
  );
  const tells = 20_000;
  row(
    "tell",
    where,
    tells,
    await bestMs(async () => {
      const count = () => counter.ask({ kind: "relay", path: [] }, BUDGET);
      const before = await count();
      for (let i = 0; i < tells; i++) counter.tell({ kind: "add", amount: 1 });
      assert.equal(await count(), before + tells);
    }),
  );
}

/** Arrays that are moved to the other process and back. */
async function measureArrays(echo: ActorRef<Echo>): Promise<void> {
  for (const kib of [16, 1024, 8192]) {
    const rounds = Math.max(20, Math.floor(65_536 / kib));
    let values = new Float32Array(kib * 256).fill(1);
    const ms = await bestMs(async () => {
      for (let i = 0; i < rounds; i++) {
        values = await echo.ask({ kind: "echo", values }, {
          ...BUDGET,
          transfer: [values.buffer],
          bulk: true,
        });
        assert.equal(values.length, kib * 256);
        assert.equal(values[kib * 256 - 1], 1);
      }
    });
    const mibPerSecond = Math.round(2 * kib / 1024 * rounds / ms * 1_000);
    row(`ask with ${kib} KiB there and back`, "other process", rounds, ms, `${mibPerSecond} MiB/s`);
  }
}

if (Deno.args[0] === "serve") await serve();
else {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL(import.meta.url).pathname, "serve"],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  const home = nodeOf("main");
  await home.spawn(defineNodeActor(home, { definitions: [] }), "main", undefined);
  const threads = await startWorkerThreads({
    home,
    names: ["worker-1"],
    entry: new URL("../../mesh/adapters/deno/counter_worker.ts", import.meta.url),
    placement: [["counter/worker-1", "worker-1"]],
    setup: { mailbox },
    onCrashed: (name, cause) => console.error(name, cause),
    onFailure: (failure) => console.error(failure),
  });
  await home.actorRef<CounterMessage>("node/worker-1").ask(
    { kind: "spawn", actorKind: "counter", key: "worker-1", options: { start: 0 } } as never,
    BUDGET,
  );
  const links = link(home, "a", new Map([["b", { hostname: "127.0.0.1", port }]]));
  while (!links.peers[0].isLinked) await new Promise((resolve) => setTimeout(resolve, 10));
  await measure("other thread", home.actorRef<CounterMessage>("counter/worker-1"));
  await measure("other process", home.actorRef<CounterMessage>("counter/b"));
  await measureArrays(home.actorRef<Echo>("echo/b"));
  await links.close();
  threads.close();
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
}
