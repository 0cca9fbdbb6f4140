/**
 * Goal: a host that is cut off from the others, or that hears them and is not heard, costs nothing
 * but time. Method: real processes in network namespaces whose links are cut and joined again.
 */
import assert from "node:assert/strict";
import { isInstalled, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { clientOn, HostProcesses } from "./host_process.ts";
import { hasNamespaces, Namespaces } from "./network_namespaces.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const roles = { edge: "serving", learn: "joiner, trainer", tables: "shards" } as const;
const HTTP_PORT = 8080;
const LINK_PORT = 7400;
const SILENCE_MS = 2_000;

function meshYaml(namespaces: Namespaces, redis: string): string {
  const storage = "{ kind: directory, path: data, snapshots: { interval: 2s, spread: 0ms }, " +
    `redis: { url: "${redis}" } }`;
  const hosts = Object.entries(roles).map(([host, own]) => {
    const address = namespaces.addressOf(host);
    const http = host === "edge" ? `, http: "${address}:${HTTP_PORT}"` : "";
    return `    ${host}: { address: "${address}:${LINK_PORT}", roles: [${own}]${http} }`;
  });
  return `${smallConfiguration("in one thread", storage)}
mesh:
  id: shop
  secret: a-secret-for-the-test
  heartbeat: 200ms
  silence: ${SILENCE_MS}ms
  hosts:
${hosts.join("\n")}
`;
}

let events = 0;

/** Clicks on an item; resolves with the time at which a gateway accepted it. */
async function click(client: Client): Promise<number> {
  const { rankingId } = await client.rank("ann", ["left", "right"]);
  const [{ status, acceptedAtMs }] = await client.post([
    { eventId: `e-${events++}`, rankingId, item: "right", action: "click" },
  ]);
  assert.equal(status, "accepted");
  return acceptedAtMs;
}

/** Rankings and clicks for some time; none of them may fail. */
async function visit(client: Client, forMs: number): Promise<number> {
  let acceptedAtMs = 0;
  for (const endMs = performance.now() + forMs; performance.now() < endMs;) {
    acceptedAtMs = await click(client);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return acceptedAtMs;
}

Deno.test("a host that is cut off, or cut off one way, is missed and comes back", {
  ignore: !isInstalled("redis-server") || !hasNamespaces(),
}, async () => {
  const folder = Deno.makeTempDirSync();
  const namespaces = new Namespaces(Object.keys(roles));
  const server = await LocalServer.start({ program: "redis-server", directory: folder });
  const configuration = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(configuration, meshYaml(namespaces, server.url));
  const processes = new HostProcesses(configuration, (host) => namespaces.under(host));
  try {
    await processes.start(...Object.keys(roles));
    const client = clientOn(HTTP_PORT, namespaces.addressOf("edge"));
    const fresh = (acceptedAtMs: number) =>
      client.rankFresh("ann", ["left", "right"], acceptedAtMs);
    await fresh(await click(client));

    for (const host of ["learn", "tables"]) {
      namespaces.setLinked(host, false);
      const acceptedAtMs = await visit(client, SILENCE_MS + 2_000);
      assert.match(
        processes.of("edge").said,
        new RegExp(`lost the link with host ${host}: host ${host} has sent nothing for 2000 ms`),
      );
      namespaces.setLinked(host, true);
      await fresh(acceptedAtMs);
    }

    // `learn` hears `tables`, whose connections it keeps, but is not heard by it.
    namespaces.loseFrames("learn", "tables");
    const acceptedAtMs = await visit(client, SILENCE_MS + 2_000);
    assert.match(processes.of("tables").said, /lost the link with host learn/);
    namespaces.deliverFrames("learn", "tables");
    await fresh(acceptedAtMs);

    assert.deepEqual(await processes.stop(), { edge: 0, learn: 0, tables: 0 });
  } finally {
    await processes.end();
    await server.kill();
    namespaces.remove();
    Deno.removeSync(folder, { recursive: true });
  }
});
