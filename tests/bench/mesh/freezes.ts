/**
 * Measures for how long a shard that moves takes no gradients: hosts of the demo's mesh are drained
 * and filled again under the demo's audience, with Redis and with Valkey in turns.
 *
 *     deno task bench:freezes [--server redis-server,valkey-server] [--turns 1] [--drains 6]
 *         [--rate 40]
 *
 * `storeMs` is the freeze by the store's clock, from the owner's report to the new owner.
 * `ownerMeanMs` is the mean of `cairn_shard_frozen_ms`, until the actor of the old owner has ended.
 * `CAIRN_SHOW` prints the process and the folder of the server.
 */
import { parseArgs } from "node:util";
import { HostProcesses } from "../../../cli/demo_mesh/host_processes.ts";
import { allHosts, demoHosts, meshFile } from "../../../cli/demo_mesh/mesh_file.ts";
import { ClickAudit } from "../../../cli/demo_mesh/click_audit.ts";
import { Gateways } from "../../../cli/demo_mesh/gateways.ts";
import { ReservedPorts } from "../../../cli/demo_mesh/reserved_ports.ts";
import { Shoppers } from "../../../cli/demo_mesh/shoppers.ts";
import { Audience, demoAudience } from "../../../cli/demo/audience.ts";
import { bundledFile } from "../../../cli/options.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { LocalServer, type ServerProgram } from "../../../mesh/adapters/redis/local_server.ts";
import type {
  Coordination,
  MeshView,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";

/** Time for a drain, ms. */
const CHANGE_MS_MAX = 60_000;
const WATCH_MS = 500;

/** Follows the moves of all shards in the store, as soon as it tells of a change. */
class Moves {
  readonly #store: Coordination;
  /** Length of the freezes that ended with a new owner, ms. */
  readonly freezesMs: number[] = [];
  aborted = 0;
  view: MeshView | undefined;
  #closed = false;
  readonly #following: Promise<void>;

  constructor(store: Coordination) {
    this.#store = store;
    this.#following = this.#follow();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#following;
  }

  async #follow(): Promise<void> {
    while (!this.#closed) {
      const view = await this.#store.read();
      for (const [key, placement] of view.placements) {
        if (key.startsWith("shard/")) await this.#see(key, placement);
      }
      this.view = view;
      await this.#store.watch(view.revision, WATCH_MS);
    }
  }

  async #see(key: PlacedKey, placement: Placement): Promise<void> {
    const before = this.view?.placements.get(key);
    if (before?.state !== "moving" || placement.state !== "active") return;
    const { last: { frozenAtMs, endedMs } = {} } = await this.#store.history(key);
    if (placement.epoch === before.epoch) this.aborted++;
    else if (frozenAtMs !== undefined && endedMs !== undefined) {
      this.freezesMs.push(endedMs - frozenAtMs);
    }
  }
}

async function until(condition: () => boolean, complaint: string): Promise<void> {
  const endsMs = performance.now() + CHANGE_MS_MAX;
  while (!condition()) {
    if (performance.now() > endsMs) throw new Error(complaint);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Shards of each host; undefined while one moves. */
function shardsByHost(view: MeshView | undefined): Map<string, number> | undefined {
  const counts = new Map<string, number>();
  for (const [key, placement] of view?.placements ?? []) {
    if (!key.startsWith("shard/")) continue;
    if (placement.state !== "active") return undefined;
    counts.set(placement.owner.host, (counts.get(placement.owner.host) ?? 0) + 1);
  }
  return counts.size === 0 ? undefined : counts;
}

/** Sum, ms, and number of the freezes that owners have measured. */
async function frozenMs(ports: readonly number[]): Promise<{ sum: number; count: number }> {
  let sum = 0, count = 0;
  for (const port of ports) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    for (const line of text.split("\n")) {
      const value = Number(line.slice(line.lastIndexOf(" ")));
      if (line.startsWith("cairn_shard_frozen_ms_sum")) sum += value;
      if (line.startsWith("cairn_shard_frozen_ms_count")) count += value;
    }
  }
  return { sum, count };
}

function summary(values: readonly number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(10 * sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]) / 10;
  return { p50: at(0.5), p90: at(0.9), max: at(1) };
}

async function measure(program: ServerProgram, drains: number, rate: number) {
  await using cleanup = new AsyncDisposableStack();
  const folder = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
  cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
  Deno.mkdirSync(`${folder}/redis`);
  const server = await LocalServer.start({ program, directory: `${folder}/redis` });
  cleanup.defer(() => server.kill());
  if (Deno.env.has("CAIRN_SHOW")) console.error(`${program} ${server.pid} ${folder}`);
  const reserved = ReservedPorts.take(2 * allHosts.length);
  cleanup.defer(() => reserved.release());
  const demo = Deno.readTextFileSync(bundledFile("examples/demo.yaml"));
  const { text, ports } = meshFile(demo, server.url, reserved.ports);
  const file = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(file, text);
  const hosts = new HostProcesses({
    configuration: file,
    folder,
    onRejoined: (host) =>
      console.error(`${host} did not run for longer than its lease, and is started again`),
  });
  cleanup.defer(() => hosts.killAll());
  await hosts.start(...allHosts);
  const configuration = parseConfiguration(text, file);
  const { coordination, close } = await openCoordination(configuration);
  cleanup.defer(close);
  const gateways = new Gateways(
    new Map(demoHosts.serving.map((host) => [host, ports.get(host) ?? 0])),
    () => {},
  );
  cleanup.defer(() => gateways.close());
  const shoppers = new Shoppers({
    gateways,
    audience: new Audience(demoAudience, new SeededRandom(1)),
    audit: new ClickAudit(configuration.features.schema, FeatureHasher.create()),
    rate,
    runId: crypto.randomUUID(),
  });
  await shoppers.introduce();
  const visits = shoppers.run();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const moves = new Moves(coordination);
  const tables = [...demoHosts.tables, ...demoHosts.joining];
  const owners = tables.map((host) => ports.get(host) ?? 0);
  const before = await frozenMs(owners);
  const drainAll = async () => {
    for (let drain = 0; drain < drains; drain++) {
      const host = tables[drain % tables.length];
      const held = () => shardsByHost(moves.view)?.get(host) ?? 0;
      const isSettled = () => shardsByHost(moves.view) !== undefined;
      await coordination.setHostState(host, "draining");
      await until(() => isSettled() && held() === 0, `${host} was not drained`);
      await coordination.setHostState(host, "up");
      await until(() => isSettled() && held() > 0, `${host} has not got shards again`);
    }
  };
  // A host that does not come back, or a visit that is given up, ends the measurement.
  await Promise.race([drainAll(), visits, hosts.failure]);
  const after = await frozenMs(owners);
  await moves.close();
  shoppers.stop();
  await visits;
  return {
    bench: "freezes",
    server: program,
    moves: moves.freezesMs.length,
    aborted: moves.aborted,
    storeMs: summary(moves.freezesMs),
    ownerMeanMs: Math.round(10 * (after.sum - before.sum) / (after.count - before.count)) / 10,
    ownerFreezes: after.count - before.count,
  };
}

if (import.meta.main) {
  const { values: flags } = parseArgs({
    options: {
      server: { type: "string", default: "redis-server,valkey-server" },
      drains: { type: "string", default: "6" },
      rate: { type: "string", default: "40" },
      turns: { type: "string", default: "1" },
    },
  });
  for (let turn = 0; turn < Number(flags.turns); turn++) {
    for (const program of flags.server.split(",")) {
      const figures = await measure(
        program as ServerProgram,
        Number(flags.drains),
        Number(flags.rate),
      );
      console.log(JSON.stringify(figures));
    }
  }
}
