/**
 * Goal: a mesh of three processes learns as one process does, serves on while a host is away, and
 * heals when the host is back. Method: real processes over loopback sockets, killed one after the
 * other.
 */
import assert from "node:assert/strict";
import { freePorts } from "../free_ports.ts";
import { isInstalled, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { clientOn, HostProcesses } from "./host_process.ts";
import { eventually } from "./mesh_process.ts";
import { type Client, scoreOf, smallConfiguration } from "./small_mesh.ts";

interface Hosts {
  readonly processes: HostProcesses;
  readonly client: Client;
  /** HTTP port of the host `tables`. */
  readonly tablesPort: number;
}

interface MeshUnderTest {
  /** Roles by host; `edge` serves and `tables` has shards. */
  readonly roles: Readonly<Record<string, string>>;
  readonly redis?: string;
}

async function withHosts(
  { roles, redis }: MeshUnderTest,
  run: (hosts: Hosts) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const storage = "{ kind: directory, path: data, snapshots: { interval: 2s, spread: 0ms }" +
    (redis === undefined ? " }" : `, redis: { url: "${redis}" } }`);
  const configuration = `${folder}/mesh.yaml`;
  const [port, tablesPort, ...links] = freePorts(2 + Object.keys(roles).length);
  const http: Readonly<Record<string, number>> = { edge: port, tables: tablesPort };
  const hosts = Object.entries(roles).map(([host, roles], i) => {
    const page = host in http ? `, http: "127.0.0.1:${http[host]}"` : "";
    return `    ${host}: { address: "127.0.0.1:${links[i]}", roles: [${roles}]${page} }`;
  });
  Deno.writeTextFileSync(
    configuration,
    // With a short window, each ranking that is only looked at would teach that nothing is clicked.
    `${smallConfiguration("in worker threads", storage).replace("window: 2s", "window: 1h")}
mesh:
  id: shop
  secret: a-secret-for-the-test
  heartbeat: 100ms
  silence: 10s
  hosts:
${hosts.join("\n")}
`,
  );
  const processes = new HostProcesses(configuration);
  try {
    await processes.start(...Object.keys(roles));
    await run({ processes, client: clientOn(port), tablesPort });
  } finally {
    await processes.end();
    Deno.removeSync(folder, { recursive: true });
  }
}

let events = 0;

/** Shows the items, clicks on one, and returns the first ranking that has learned from it. */
async function click(client: Client, item: string) {
  const items = ["left", "right"];
  const { rankingId } = await client.rank("ann", items);
  const [{ acceptedAtMs }] = await client.post([
    { eventId: `e-${events++}`, rankingId, item, action: "click" },
  ]);
  const beganMs = performance.now();
  const ranking = await client.rankFresh("ann", items, acceptedAtMs);
  return { ranking, learnedMs: performance.now() - beganMs };
}

/** Kills the host; rankings and events are answered meanwhile, and learned when it is back. */
async function killAndHeal({ processes, client }: Hosts, host: string): Promise<void> {
  const before = (await click(client, "right")).ranking;
  await processes.of(host).kill("SIGKILL");
  for (let i = 0; i < 20; i++) {
    const ranking = await client.rank("ann", ["left", "right"]);
    assert.equal(ranking.items[0].id, before.items[0].id, "it serves on as before");
  }
  const { rankingId } = await client.rank("ann", ["left", "right"]);
  const [{ status, acceptedAtMs }] = await client.post([
    { eventId: `away-${host}`, rankingId, item: "left", action: "click" },
  ]);
  assert.equal(status, "accepted");
  await processes.start(host);
  await client.rankFresh("ann", ["left", "right"], acceptedAtMs);
}

/** Kills the only serving host: the learned scores are served again when it is back. */
async function killEdge({ processes, client }: Hosts): Promise<void> {
  const before = scoreOf((await click(client, "right")).ranking, "right");
  await processes.of("edge").kill("SIGKILL");
  await processes.start("edge");
  const { ranking } = await click(client, "right");
  const after = scoreOf(ranking, "right");
  // The dense weights are those of the newest snapshot, so the score is not the same.
  assert.ok(after > (0.5 + before) / 2, `what was learned is there again: ${before}, ${after}`);
}

Deno.test("hosts for serving, learning and tables heal after each other's kill", {
  ignore: !isInstalled("redis-server"),
}, async () => {
  const directory = Deno.makeTempDirSync();
  const server = await LocalServer.start({ program: "redis-server", directory });
  const roles = { edge: "serving", learn: "joiner, trainer", tables: "shards" };
  try {
    await withHosts({ roles, redis: server.url }, async (hosts) => {
      const { processes, client, tablesPort } = hosts;
      await click(client, "right");
      const times = [];
      for (let i = 0; i < 5; i++) times.push((await click(client, "right")).learnedMs);
      assert.ok(Math.min(...times) < 1_000, `learned after ${times} ms`);
      const areLinked = async () => {
        const { links } = await (await fetch(`http://127.0.0.1:${tablesPort}/health/ready`)).json();
        return links.every(({ isLinked }: { isLinked: boolean }) => isLinked);
      };
      assert.ok(await eventually(areLinked), "tables is linked with all hosts");
      for (const host of ["tables", "learn"]) await killAndHeal(hosts, host);
      await killEdge(hosts);
      assert.deepEqual(await processes.stop(), { edge: 0, learn: 0, tables: 0 });
    });
  } finally {
    await server.kill();
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a mesh whose logs are one host's files heals after a kill of a host with shards", async () => {
  const roles = { edge: "serving, joiner, trainer", tables: "shards", more: "shards" };
  await withHosts({ roles }, async (hosts) => {
    await killAndHeal(hosts, "tables");
    await killEdge(hosts);
    assert.deepEqual(await hosts.processes.stop(), { edge: 0, tables: 0, more: 0 });
  });
});

Deno.test("hosts that cannot form a mesh say what to do", async () => {
  const folder = Deno.makeTempDirSync();
  const file = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(file, smallConfiguration("in one thread"));
  const run = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        new URL("../../main.ts", import.meta.url).pathname,
        ...args,
      ],
      env: { NO_COLOR: "1" },
      stdout: "null",
      stderr: "piped",
    }).output();
    return `${code} ${new TextDecoder().decode(stderr)}`;
  };
  assert.match(
    await run("node", "--host", "edge", "--config", file),
    /^1 error: The configuration has no section mesh, so there is one process: start it by `cairn s/,
  );
  Deno.removeSync(folder, { recursive: true });
});
