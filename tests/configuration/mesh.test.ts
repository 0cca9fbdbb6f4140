import assert from "node:assert/strict";
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";
import { addresses } from "../../server/addresses.ts";
import { homeNodeOf, nodesOf, processesOf } from "../../server/layout.ts";
import { planOf } from "../../server/plan.ts";

const hosts = {
  edge: '{ address: "10.0.0.1:7400", roles: [serving, joiner, trainer] }',
  "tables-1": '{ address: "10.0.0.2:7400", roles: [shards] }',
  "tables-2": '{ address: "10.0.0.3:7400", roles: [shards] }',
};

function yaml(
  over: Readonly<Record<string, string>> = {},
  rest = "",
  mesh = "secret: a-secret-of-the-mesh",
): string {
  const all = Object.entries({ ...hosts, ...over }).filter(([, host]) => host !== "");
  return `
features: { slots: { user: { kind: id, source: user } } }
storage: { kind: directory, path: data }
${rest}
mesh:
  id: shop
  ${mesh}
  hosts:
${all.map(([name, host]) => `    ${name}: ${host}`).join("\n")}
`;
}

const parse = (text: string): CairnConfiguration => parseConfiguration(text, "mesh.yaml");

function refuses(text: string, expected: RegExp): void {
  assert.throws(() => parse(text), expected);
}

Deno.test("a mesh is read with its hosts, in the order of the file", () => {
  const { mesh } = parse(yaml({ edge: hosts.edge.replace("}", ", http: 0.0.0.0:80 }") }));
  assert.deepEqual(mesh?.secrets, ["a-secret-of-the-mesh"]);
  assert.deepEqual(mesh?.hosts.map(({ name, http }) => [name, http]), [
    ["edge", { hostname: "0.0.0.0", port: 80 }],
    ["tables-1", undefined],
    ["tables-2", undefined],
  ]);
  assert.deepEqual(mesh?.hosts[0].listen, { hostname: "10.0.0.1", port: 7400 });
  assert.equal(parse(yaml()).mesh?.hosts[0].http?.port, 8080);
});

Deno.test("every part needs a host, and some parts exactly one", () => {
  refuses(
    yaml({ edge: '{ address: "10.0.0.1:7400", roles: [serving, joiner] }' }),
    /mesh\.hosts: no host has the role trainer; add it to the roles of one/,
  );
  refuses(
    yaml({ "tables-1": '{ address: "10.0.0.2:7400", roles: [shards, joiner] }' }),
    /edge and tables-1 have the role joiner, of which a mesh has one/,
  );
  refuses(
    yaml({}, "shards: { count: 1 }"),
    /2 hosts have the role shards and shards\.count is 1; raise shards\.count/,
  );
});

Deno.test("hosts on different machines may listen on all interfaces of one port", () => {
  const hosts = (first: string, second: string) =>
    yaml({
      "tables-1": `{ address: "${first}:7400", roles: [shards], http: "0.0.0.0:8081" }`,
      "tables-2": `{ address: "${second}:7401", roles: [shards], http: "0.0.0.0:8081" }`,
    });
  parse(hosts("10.0.0.2", "10.0.0.3"));
  refuses(
    hosts("10.0.0.2", "10.0.0.2"),
    /found 0\.0\.0\.0:8081, which mesh\.hosts\.tables-1\.http/,
  );
});

Deno.test("addresses are checked, and a secret is needed beyond this machine", () => {
  refuses(
    yaml({ "tables-2": '{ address: "10.0.0.2:7400", roles: [shards] }' }),
    /found 10\.0\.0\.2:7400, which mesh\.hosts\.tables-1\.address is too; give each its own/,
  );
  refuses(
    yaml({ "tables-2": "{ address: somewhere, roles: [shards] }" }),
    /expected an address and a port such as "10\.0\.0\.7:7400"/,
  );
  refuses(yaml({}, "", ""), /no secret, and 10\.0\.0\.1:7400 of host edge is reachable from other/);
  const local = Object.fromEntries(
    Object.entries(hosts).map(([name, host]) => [name, host.replace("10.0.0.", "127.0.0.")]),
  );
  assert.deepEqual(parse(yaml(local, "", "")).mesh?.secrets, []);
  refuses(yaml({}, "", "secret: short"), /mesh\.secret: /);
  refuses(
    yaml({}, "", "secret: a-secret-of-the-mesh\n  silence: 2s"),
    /silence: found 2000 ms, and heartbeat is 1000 ms; raise silence to 3000ms or more/,
  );
});

Deno.test("a problem never shows the secret", () => {
  for (const key of ["secret", "secretBefore"]) {
    assert.throws(
      () => parse(yaml({}, "", `${key}: [hidden-secret-of-the-mesh]`)),
      (error: Error) => !error.message.includes("hidden-secret"),
    );
  }
});

Deno.test("storage that other hosts cannot reach is refused", () => {
  refuses(
    yaml().replace("{ kind: directory, path: data }", "{ kind: memory }"),
    /storage\.kind: found memory, which no other process reaches/,
  );
  refuses(
    yaml({
      edge: '{ address: "10.0.0.1:7400", roles: [serving] }',
      learn: '{ address: "10.0.0.4:7400", roles: [trainer, joiner] }',
    }),
    /found directory, whose logs one process reads and writes, but edge, learn have roles of/,
  );
  const apart = yaml({
    edge: '{ address: "10.0.0.1:7400", roles: [serving] }',
    learn: '{ address: "10.0.0.4:7400", roles: [trainer, joiner] }',
  });
  parse(apart.replace("path: data }", 'path: data, redis: { url: "redis://10.0.0.9:6379" } }'));
});

Deno.test("certificates and sentinels of Redis must fit its address", () => {
  const redis = (section: string) =>
    yaml({}).replace("path: data }", `path: data, redis: { ${section} } }`);
  refuses(
    redis('url: "redis://10.0.0.9:6379", tls: { ca: ca.pem }'),
    /storage\.redis\.tls: found certificates, and url is redis:\/\/, without TLS; use rediss:/,
  );
  refuses(
    redis('url: "rediss://10.0.0.9:6379", tls: { cert: c.pem }'),
    /storage\.redis\.tls: found cert without key; give both/,
  );
  refuses(
    redis('url: "redis://10.0.0.9:6379", sentinels: ["10.0.0.9:26379"]'),
    /storage\.redis\.url: found the port in .*write the name of the primary alone: redis:/,
  );
  refuses(
    redis('url: "unix:///run/redis.sock", sentinels: ["10.0.0.9:26379"]'),
    /storage\.redis\.url: found a socket, and sentinels; write the name of the primary/,
  );
  refuses(
    redis('url: "redis://10.0.0.9:6379", sentinelPassword: a-long-password'),
    /storage\.redis\.sentinelPassword: found a password, and no sentinels/,
  );
  refuses(
    redis('url: "redis://shop", sentinels: ["10.0.0.9"]'),
    /storage\.redis\.sentinels\[0\]: .*an address and a port such as "10\.0\.0\.5:26379"/,
  );
  parse(redis('url: "rediss://shop/2", sentinels: ["10.0.0.9:26379"], tls: { ca: ca.pem }'));
});

Deno.test("a lease outlasts a store that answers at the end of its deadline", () => {
  const redis = (mesh: string) =>
    yaml({}, "", `secret: a-secret-of-the-mesh\n  ${mesh}`)
      .replace("path: data }", 'path: data, redis: { url: "redis://10.0.0.9:6379" } }');
  refuses(
    redis("lease: 3s"),
    /mesh\.lease: found 3000 ms, and storage\.redis\.deadline is 2000 ms: .* raise lease to 4000ms/,
  );
  assert.equal(parse(redis("lease: 4s")).mesh?.leaseMs, 4_000);
  assert.equal(
    parse(yaml({}, "", "secret: a-secret-of-the-mesh\n  lease: 1s")).mesh?.leaseMs,
    1_000,
  );
});

Deno.test("the hosts' parts together are the plan, each actor on a node of one host", () => {
  for (
    const placement of [
      "{ kind: singleThread }",
      "{ kind: workers, shardThreads: 2 }",
      "{ kind: workers, shardThreads: 2, scoringThread: main }",
    ]
  ) {
    const configuration = parse(yaml({}, `placement: ${placement}\nshards: { count: 7 }`));
    const plan = planOf(configuration);
    const nodes = processesOf(configuration).flatMap(({ host }) => [
      homeNodeOf(host),
      ...nodesOf(configuration, host).map(({ name }) => name),
    ]);
    assert.equal(new Set(nodes).size, nodes.length);
    for (const { node } of plan) assert.ok(nodes.includes(node), node);
    const names = plan.map(({ kind, key }) => `${kind}/${key}`);
    assert.equal(new Set(names).size, names.length);
    const hostOf = (address: string) => plan[names.indexOf(address)].node.split(":")[0];
    assert.deepEqual(
      [0, 1, 2, 3].map((shard) => hostOf(addresses.embeddingShard(shard, 0))),
      ["tables-1", "tables-2", "tables-1", "tables-2"],
    );
    assert.equal(hostOf(addresses.ranker("edge")), "edge");
    assert.equal(hostOf(addresses.servingReplica(6, 0, "edge")), "edge");
  }
});

Deno.test("several serving hosts have a ranker, a scorer and all replicas each", () => {
  const configuration = parse(yaml({
    edge: '{ address: "127.0.0.1:1", roles: [serving, joiner, trainer] }',
  }));
  const [edge, ...others] = configuration.mesh!.hosts;
  const twice = {
    ...configuration,
    mesh: { ...configuration.mesh!, hosts: [edge, ...others, { ...edge, name: "edge-2" }] },
  };
  const kinds = (kind: string) => planOf(twice).filter((actor) => actor.kind === kind);
  assert.deepEqual(kinds("ranker").map(({ key }) => key), ["edge", "edge-2"]);
  assert.equal(kinds("serving_replica").length, 2 * configuration.shardCount);
});
