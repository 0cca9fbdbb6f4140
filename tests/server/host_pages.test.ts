import assert from "node:assert/strict";
import { hostPages } from "../../server/host_pages.ts";

const pages = hostPages(
  {
    host: "tables",
    links: () => [
      { host: "edge", isLinked: true, wasLinked: true, reason: undefined },
      { host: "learn", isLinked: false, wasLinked: true, reason: "host learn does not answer" },
    ],
    failingParts: () => [{ part: "trainer/0", reason: "no shards" }],
  },
  {
    metricsText: () => Promise.resolve("cairn_up 1\n"),
    unplacedParts: () => [{ part: "trainer/1", host: "learn", reason: "examples are lost" }],
    leaseEnd: () => "the lease of host tables has ended",
    snapshotFailures: () => [{ host: "learn", reason: "the disk is full", newestAtMs: 5 }],
  },
);

const get = (path: string, method = "GET") => pages(new Request(`http://cairn${path}`, { method }));

Deno.test("a host that does not serve answers health and metrics", async () => {
  assert.deepEqual(await (await get("/health/live")).json(), { status: "live", host: "tables" });
  assert.deepEqual(await (await get("/health/ready")).json(), {
    status: "ready",
    host: "tables",
    links: [
      { host: "edge", isLinked: true, wasLinked: true },
      { host: "learn", isLinked: false, wasLinked: true, reason: "host learn does not answer" },
    ],
    failingParts: [{ part: "trainer/0", reason: "no shards" }],
    unplacedParts: [{ part: "trainer/1", host: "learn", reason: "examples are lost" }],
    leaseEnd: "the lease of host tables has ended",
    snapshotFailures: [{ host: "learn", reason: "the disk is full", newestAtMs: 5 }],
  });
  assert.equal(await (await get("/metrics")).text(), "cairn_up 1\n");
});

Deno.test("other paths are answered with a problem that names the pages", async () => {
  for (const answer of [await get("/v1/rank", "POST"), await get("/constructor")]) {
    assert.equal(answer.status, 404);
    assert.match(
      (await answer.json()).detail,
      /tables does not serve the API; it has GET \/health/,
    );
  }
});
