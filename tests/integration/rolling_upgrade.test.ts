/**
 * Goal: a mesh is upgraded host by host, to the next release and to the one after it, while users
 * rank and act: no request fails, every event is one example, and the mesh speaks a newer protocol
 * only when no host needs the old one. Method: real processes of three builds, which are copies of
 * the sources that speak other protocols and know more fields of the configuration, with a real
 * Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { PROTOCOLS } from "../../mesh/adapters/tcp/host_identity.ts";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { assertEachLearnedOnce, visits } from "./counted_visits.ts";
import { HostProcess } from "./host_process.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";
import { copyBuild } from "./other_build.ts";
import { Client } from "./small_mesh.ts";

const program = installedProgram();

/** The protocol of this build, and that of the next release. */
const now = PROTOCOLS.max;
const next = now + 1;

/**
 * A build of a later release, by the protocols that it speaks. It knows fields that this build does
 * not know, with defaults, in sections in which hosts must agree.
 */
function laterBuild(folder: string, min: number, max: number): Promise<string> {
  const field = `later${max}${min}: z.number().default(1)`;
  return copyBuild(`${folder}/speaks-${min}-to-${max}`, [
    {
      path: "mesh/adapters/tcp/host_identity.ts",
      from: /PROTOCOLS: ProtocolRange = \{.*\}/,
      to: `PROTOCOLS: ProtocolRange = { min: ${min}, max: ${max} }`,
    },
    ...Object.entries({
      features: /valuesMax: z/g,
      model: /dropout,/g,
      embeddings: /initialAccumulator }/g,
      learning: /label: z/g,
    }).map(([section, from]) => ({
      path: `configuration/sections/${section}.ts`,
      from,
      to: `${field}, $&`,
    })),
    { path: "deno.json", from: /"version": "[^"]*"/, to: `"version": "9.${min}.${max}"` },
  ]);
}

Deno.test({
  name: "a mesh is upgraded host by host over two releases, and no request fails",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      roles: {
        "edge-1": "serving",
        "edge-2": "serving",
        learn: "joiner, trainer",
        tables: "shards",
      },
      placement: "in one thread",
      snapshots: "1h",
      mesh: ["heartbeat: 300ms", "silence: 10s", "balance: false"],
      // Each action is one example; the log of them is read at the end, so no snapshot may trim it.
      change: (small) =>
        small.replace("window: 2s", "window: 1h").replace(
          "spread: 0ms",
          "spread: 0ms, retained: 9",
        ),
    }, async ({ folder, processes, clients, redis, store }) => {
      const [coming, following] = await Promise.all([
        laterBuild(folder, now, next),
        laterBuild(folder, next, next),
      ]);
      let ranks = clients[0];
      const visiting = visits(new Client((request) => ranks.send(request)));
      const rankAt = async (client: Client) => {
        ranks = client;
        await visiting.further(2); // the visit on its way may be with the host before
      };
      const protocol = async () => (await store.read()).identity.protocol;
      const others: Record<string, Client> = { "edge-1": clients[1], "edge-2": clients[0] };
      const upgrade = async (host: string, build: string) => {
        await rankAt(others[host] ?? ranks); // as a balancer leaves a host out
        assert.equal((await processes.of(host).kill("SIGTERM")).code, 0);
        await processes.startOn(build, host);
      };
      /** The last words of a host that is refused. */
      const refusal = async (build: string | undefined) => {
        const refused = new HostProcess("learn", processes.configuration, [], {}, build);
        assert.equal(await refused.ended(), 1, refused.said);
        return refused.said;
      };

      for (const host of ["tables", "learn", "edge-1", "edge-2"]) {
        if (host === "edge-2") {
          assert.match(
            await refusal(following),
            /This program, of protocol \d, is too new for hosts of the mesh, of which edge-2 \(protocol \d\) runs\./,
            "it needs a protocol that a host does not speak",
          );
        }
        await upgrade(host, coming);
        assert.equal(
          await protocol(),
          now,
          `${host} is upgraded, and the builds before may return`,
        );
      }
      await upgrade("tables", following);
      assert.equal(await protocol(), next, "all hosts speak it, and one needs it");
      const refused = await refusal(undefined);
      assert.match(refused, new RegExp(`The mesh speaks protocol ${next} since `));
      assert.match(refused, /Run a newer version of the program\./);
      await assertEachLearnedOnce(visiting, ranks, redis.url);
    });
  },
});
