/**
 * Goal: a ranking's trace crosses the hosts of a mesh, with parents, links and attributes, and the
 * console of each gateway shows the whole mesh, the host that is killed included.
 *
 * Method: four real processes and a Redis server; this test is the collector and the browser.
 */
import assert from "node:assert/strict";
import { freePorts } from "../free_ports.ts";
import { isInstalled, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { type CollectedSpan, Collector } from "./collector.ts";
import { HostProcesses } from "./host_process.ts";
import { eventually } from "./mesh_process.ts";
import { smallConfiguration } from "./small_mesh.ts";

const roles: Readonly<Record<string, string>> = {
  "edge-1": "serving",
  "edge-2": "serving",
  learn: "joiner, trainer",
  tables: "shards",
};
/** Longest wait for a condition, ms. */
const PATIENCE_MS = 60_000;
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

interface Hosts {
  readonly processes: HostProcesses;
  readonly collector: Collector;
  /** Sends JSON to a serving host. */
  post(host: string, path: string, body: object, headers?: Record<string, string>): Promise<Answer>;
  get(host: string, path: string): Promise<Response>;
}

// deno-lint-ignore no-explicit-any -- answers of many shapes, of which the assertions read fields
type Answer = any;

async function withHosts(run: (hosts: Hosts) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const redis = await LocalServer.start({ program: "redis-server", directory: folder });
  const collector = new Collector();
  const storage = `{ kind: directory, path: data, redis: { url: "${redis.url}" } }`;
  const names = Object.keys(roles);
  const free = freePorts(2 * names.length);
  const ports = new Map(names.map((host, i) => [host, free[i]]));
  const hosts = [...ports].map(([host, port], i) =>
    `    ${host}: { address: "127.0.0.1:${free[names.length + i]}", roles: [${roles[host]}], ` +
    `http: "127.0.0.1:${port}" }`
  );
  const configuration = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(
    configuration,
    `${smallConfiguration("in worker threads", storage).replace("window: 2s", "window: 1h")}
mesh:
  id: seen
  heartbeat: 100ms
  silence: 10s
  hosts:
${hosts.join("\n")}
`,
  );
  const processes = new HostProcesses(
    configuration,
    () => [],
    (host) => ({ ...collector.environment, OTEL_SERVICE_NAME: host }),
  );
  const urlOf = (host: string, path: string) => `http://127.0.0.1:${ports.get(host)}${path}`;
  try {
    await processes.start(...Object.keys(roles));
    await run({
      processes,
      collector,
      get: (host, path) => fetch(urlOf(host, path)),
      async post(host, path, body, headers = {}) {
        const response = await fetch(urlOf(host, path), {
          method: "POST",
          headers: { "content-type": "application/json", ...headers },
          body: JSON.stringify(body),
        });
        assert.equal(response.status, 200, await response.clone().text());
        return await response.json();
      },
    });
  } finally {
    await processes.end();
    await redis.stop();
    await collector.stop();
    Deno.removeSync(folder, { recursive: true });
  }
}

const candidates = [{ id: "a" }, { id: "b" }];

Deno.test({
  name: "a trace crosses the hosts of a mesh, and the learning of it is linked",
  ignore: !isInstalled("redis-server"),
  fn: () =>
    withHosts(async ({ collector, post }) => {
      const traceparent = `00-${TRACE_ID}-b7ad6b7169203331-01`;
      const ranking = { user: "ann", rankingId: "traced", candidates };
      await post("edge-1", "/v1/rank", ranking, { traceparent });
      const event = { eventId: "e-1", rankingId: "traced", item: "a", action: "click" };
      await post("edge-2", "/v1/events", event);

      const find = (service: string, name: string, also: (span: CollectedSpan) => boolean) =>
        collector.find((span) => span.service === service && span.name === name && also(span));
      const inTrace = ({ traceId }: CollectedSpan) => traceId === TRACE_ID;
      const request = await find("edge-1", "POST /v1/rank", inTrace);
      assert.equal(request.parentSpanId, "b7ad6b7169203331");
      const ranker = await find("edge-1", "ranker rank", inTrace);
      assert.equal(ranker.parentSpanId, request.spanId);

      const linksTo = (cause: CollectedSpan) => ({ links = [] }: CollectedSpan) =>
        links.some(({ spanId, traceId }) => spanId === cause.spanId && traceId === cause.traceId);
      await find("learn", "joiner write examples", linksTo(ranker));
      const step = await find("learn", "trainer step", linksTo(ranker));
      // The step asks the shards of another host: the context crosses the link between them.
      const applied = await find(
        "tables",
        "embedding_shard applyGradients",
        ({ parentSpanId, traceId }) => parentSpanId === step.spanId && traceId === step.traceId,
      );
      const attributes = new Map(
        applied.attributes?.map(({ key, value }) => [key, value.stringValue]),
      );
      assert.match(attributes.get("cairn.actor") ?? "", /^embedding_shard\/\d$/);
      assert.match(attributes.get("cairn.node") ?? "", /^tables:/);
      assert.ok(attributes.has("cairn.queued_ms"));
      // The context of the update travels with the delta to both serving hosts.
      for (const host of ["edge-1", "edge-2"]) {
        const carried = await find(host, "row_feed carry rows", linksTo(applied));
        const taken = await find(
          host,
          "serving_replica applyDelta",
          ({ parentSpanId }) => parentSpanId === carried.spanId,
        );
        assert.equal(taken.traceId, carried.traceId);
      }
    }),
});

/** Reads the console's stream until a message of the event is as wanted. */
async function seen(
  { get }: Hosts,
  host: string,
  event: string,
  accepts: (data: Answer) => boolean,
): Promise<Answer> {
  const response = await get(host, "/console/stream");
  assert.ok(response.body);
  let rest = "";
  let last: Answer;
  const untilMs = performance.now() + PATIENCE_MS;
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(part) ?? [];
      if (name !== event) continue;
      last = JSON.parse(data);
      if (accepts(last)) return last;
    }
    if (performance.now() > untilMs) break;
  }
  assert.fail(`the console of ${host} never showed it; the last ${event}: ${JSON.stringify(last)}`);
}

Deno.test({
  name: "the console of each gateway shows all hosts, all rankings, and which host is lost",
  ignore: !isInstalled("redis-server"),
  fn: () =>
    withHosts(async (hosts) => {
      const { post, get, processes } = hosts;
      await post("edge-1", "/v1/rank", { user: "ann", rankingId: "on-1", candidates });
      await post("edge-2", "/v1/rank", { user: "bob", rankingId: "on-2", candidates });
      await post("edge-2", "/v1/events", {
        eventId: "e-1",
        rankingId: "on-1",
        item: "a",
        action: "click",
      });
      for (const host of ["edge-1", "edge-2"]) {
        const { rankings, events } = await seen(hosts, host, "activity", () => true);
        const users = rankings.map(({ user, host }: Answer) => `${user} on ${host}`).toSorted();
        assert.deepEqual(users, ["ann on edge-1", "bob on edge-2"]);
        assert.deepEqual(events.map(({ host }: Answer) => host), ["edge-2"]);
        const mesh = await seen(
          hosts,
          host,
          "mesh",
          ({ hosts }) =>
            hosts.every(({ state, residentBytes }: Answer) =>
              state === "live" && residentBytes > 0
            ),
        );
        assert.equal(mesh.leases.kind, "store");
        assert.deepEqual(
          mesh.shards.map(({ host, state, epoch }: Answer) => [host, state, epoch]),
          [
            ["tables", "active", 1],
            ["tables", "active", 1],
            ["tables", "active", 1],
            ["tables", "active", 1],
          ],
        );
      }
      // Another gateway than the one that ranked tells the story of the ranking, training included.
      let story: Answer;
      await eventually(async () => {
        story = await (await get("edge-2", "/console/rankings/on-1")).json();
        const kinds = story.steps.map(({ kind }: Answer) => kind);
        return ["impression", "action", "example", "training", "rows", "sync"]
          .every((kind) => kinds.includes(kind));
      });
      const where = (kind: string) => story.steps.find((step: Answer) => step.kind === kind)?.where;
      assert.match(where("training") ?? JSON.stringify(story.steps), /^learn:/);
      assert.match(where("rows") ?? "", /^embedding_shard\/\d in tables:/);
      assert.match(where("sync") ?? "", /edge|learn/);
      assert.equal(story.items[0].explanation.length, 3);

      await processes.of("tables").kill("SIGKILL");
      for (const host of ["edge-1", "edge-2"]) {
        const mesh = await seen(
          hosts,
          host,
          "mesh",
          ({ hosts }) => hosts.find(({ host }: Answer) => host === "tables").state === "lost",
        );
        assert.ok(mesh.hosts.find(({ host }: Answer) => host === "tables").reason.length > 0);
      }
    }),
});
