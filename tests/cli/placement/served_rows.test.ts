/**
 * Goal: `cairn plan`, `explain` and `drain` name the rows that one serving host alone serves.
 */
import assert from "node:assert/strict";
import {
  servedAloneLine,
  servedByLine,
  servedRows,
  servingHostLine,
} from "../../../cli/placement/served_rows.ts";
import type { HostRecord } from "../../../mesh/ports/coordination.ts";
import { present } from "../../../structures/invariant.ts";
import { hostRecord, meshView } from "../../mesh/placement/mesh_view.ts";
import { spreadConfiguration } from "../../server/spread_hosts.ts";

const EDGES = ["edge-1", "edge-2", "edge-3"];

/** A view of four shards and of these hosts. */
function viewOf(hosts: readonly HostRecord[]) {
  const view = meshView({ hosts });
  return { ...view, identity: { ...view.identity, shards: 4 } };
}

function edge(host: string, changes: Partial<HostRecord> = {}): HostRecord {
  return hostRecord(host, { roles: ["serving"], ...changes });
}

/** The serving hosts with so many replicas, and those with others' changes. */
function served(replicas: string, changes: Readonly<Record<string, Partial<HostRecord>>> = {}) {
  const view = viewOf(EDGES.map((host) => edge(host, changes[host])));
  const hosts = servedRows(spreadConfiguration(replicas, 3), view);
  return { hosts, of: (host: string) => present(hosts.find((each) => each.host === host), host) };
}

Deno.test("where each host holds all rows nothing is said of them", () => {
  assert.deepEqual(served("all").hosts, []);
});

Deno.test("with one replica each host alone serves its rows, with two none does", () => {
  const one = served("1").hosts;
  assert.deepEqual(one.flatMap(({ shards }) => shards).toSorted(), [0, 1, 2, 3]);
  for (const host of one) assert.deepEqual(host.alone, host.shards);
  for (const host of served("2").hosts) {
    assert.deepEqual(host.alone, []);
    assert.equal(servedAloneLine(host), "");
    assert.match(servingHostLine(host), /^edge-\d {2}up {2}[23] serving replicas\n$/);
  }
});

Deno.test("rows whose other holders leave, are silent or are not up are served by one host alone", () => {
  const { hosts } = served("2");
  const gone: readonly Partial<HostRecord>[] = [{ state: "draining" }, { expiresMs: 1 }];
  for (const change of gone) {
    const after = served("2", { "edge-2": change });
    const shared = (host: string) =>
      after.of(host).shards.filter((shard) => after.of("edge-2").shards.includes(shard));
    assert.deepEqual(after.of("edge-1").alone, shared("edge-1"));
    assert.deepEqual(after.of("edge-3").alone, shared("edge-3"));
    assert.deepEqual(after.of("edge-2").alone, [], "the others hold its rows too");
  }
  const view = viewOf([edge("edge-1"), edge("edge-2")]);
  const states = servedRows(spreadConfiguration("2", 3), view).map(({ state }) => state);
  assert.deepEqual(states, ["up", "up", "not up"]);
  assert.equal(hosts.length, 3);
});

Deno.test("a serving host that is the last one up leaves no other one without rows", () => {
  const silent = { expiresMs: 1 };
  const { of } = served("1", { "edge-2": silent, "edge-3": silent });
  assert.deepEqual(of("edge-1").alone, []);
});

Deno.test("of a host that is not up the rows are named that no host serves, a draining one included", () => {
  const silent = { expiresMs: 1 };
  const draining = served("2", { "edge-1": silent, "edge-2": { state: "draining" } });
  assert.deepEqual(draining.of("edge-1").alone, []);
  assert.ok(draining.of("edge-2").alone.length > 0, "what the silent host has too");
  const both = served("2", { "edge-1": silent, "edge-2": silent });
  const { shards, alone } = both.of("edge-1");
  assert.deepEqual(alone, shards.filter((shard) => both.of("edge-2").shards.includes(shard)));
  assert.match(
    servingHostLine(both.of("edge-1")),
    /^edge-1 {2}silent {2}[23] serving replicas; no host serves the rows of shards? [0-3](, [0-3])*\n$/,
  );
});

Deno.test("a plan, an explanation and a drain say it in a line", () => {
  const host = { host: "edge-1", state: "up", shards: [0, 2, 3], alone: [2, 3] } as const;
  assert.equal(
    servingHostLine(host),
    "edge-1  up  3 serving replicas; it alone serves the rows of shards 2, 3\n",
  );
  assert.equal(
    servedAloneLine({ ...host, alone: [2] }),
    "edge-1 alone serves the rows of shard 2: while it is stopped, rankings of the other hosts " +
      "lack them\n",
  );
  const other = { ...host, host: "edge-2" };
  assert.equal(servedByLine([host, other]), "its rows are served by edge-1, edge-2\n");
  assert.equal(
    servedByLine([host, { ...other, state: "not up" }]),
    "its rows are served by edge-1, edge-2 (not up)\n",
  );
  assert.equal(servedByLine([host]), "its rows are served by edge-1 alone\n");
});
