/**
 * Goal: a mesh of three processes learns as one process does, serves on while a host is away, and
 * heals when the host is back. Method: real processes over loopback sockets, killed one after the
 * other.
 */
import assert from "node:assert/strict";
import { clientOn, freePort, HostProcesses } from "./host_process.ts";
import { type Client, scoreOf, smallConfiguration } from "./small_mesh.ts";

interface Hosts {
  readonly processes: HostProcesses;
  readonly client: Client;
  /** HTTP port of host `tables-1`. */
  readonly tablesPort: number;
}

async function withHosts(run: (hosts: Hosts) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const [port, tablesPort, ...ports] = Array.from({ length: 5 }, freePort);
  const storage = "{ kind: directory, path: data, snapshots: { interval: 2s, spread: 0ms } }";
  const configuration = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(
    configuration,
    `${smallConfiguration("in worker threads", storage)}
mesh:
  id: shop
  secret: a-secret-for-the-test
  heartbeat: 100ms
  silence: 2s
  hosts:
    edge:
      address: 127.0.0.1:${ports[0]}
      roles: [serving, joiner, trainer, sync]
      http: 127.0.0.1:${port}
    tables-1: { address: "127.0.0.1:${ports[1]}", roles: [shards], http: "127.0.0.1:${tablesPort}" }
    tables-2: { address: "127.0.0.1:${ports[2]}", roles: [shards] }
`,
  );
  const processes = new HostProcesses(configuration);
  try {
    await processes.start("edge", "tables-1", "tables-2");
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

Deno.test("a mesh of three processes learns, serves on without its shards, and heals", async () => {
  await withHosts(async ({ processes, client, tablesPort }) => {
    await click(client, "right");
    const times = [];
    for (let i = 0; i < 5; i++) times.push((await click(client, "right")).learnedMs);
    assert.ok(times.sort((a, b) => a - b)[2] < 1_000, `learned after ${times} ms`);
    const pages = await (await fetch(`http://127.0.0.1:${tablesPort}/health/ready`)).json();
    assert.deepEqual(pages.links.map(({ isLinked }: { isLinked: boolean }) => isLinked), [
      true,
      true,
    ]);

    for (const host of ["tables-1", "tables-2"]) {
      const before = (await click(client, "right")).ranking;
      await processes.of(host).kill("SIGKILL");
      for (let i = 0; i < 20; i++) {
        const ranking = await client.rank("ann", ["left", "right"]);
        assert.equal(ranking.items[0].id, before.items[0].id, "it serves on as before");
      }
      // Accepted while the shards are away, learned when they are back.
      const { rankingId } = await client.rank("ann", ["left", "right"]);
      const [{ status, acceptedAtMs }] = await client.post([
        { eventId: `away-${host}`, rankingId, item: "left", action: "click" },
      ]);
      assert.equal(status, "accepted");
      await processes.start(host);
      await client.rankFresh("ann", ["left", "right"], acceptedAtMs);
    }

    const before = scoreOf((await click(client, "right")).ranking, "right");
    await processes.of("edge").kill("SIGKILL");
    await processes.start("edge");
    const { ranking } = await click(client, "right");
    assert.ok(scoreOf(ranking, "right") > before - 0.05, "what was learned is there again");

    assert.deepEqual(await processes.stop(), { edge: 0, "tables-1": 0, "tables-2": 0 });
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
