import assert from "node:assert/strict";
import { ClickAudit } from "../../../cli/demo_mesh/click_audit.ts";
import { allHosts, meshFile } from "../../../cli/demo_mesh/mesh_file.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { encodeEvent } from "../../../records/event_record.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";

const demo = await Deno.readTextFile(new URL("../../../examples/demo.yaml", import.meta.url));
const { text, ports } = meshFile(
  demo,
  "unix:///tmp/redis.sock",
  allHosts.flatMap((_, i) => [20_001 + 2 * i, 20_002 + 2 * i]),
);
const { features: { schema }, mesh } = parseConfiguration(text, "mesh.yaml");
const hasher = FeatureHasher.create();

function idOf(source: "user" | "item", id: string): bigint {
  const slot = schema.slots.find((slot) => slot.kind === "id" && slot.source === source)!;
  const utf8 = new TextEncoder().encode(id);
  const offsets = new Uint32Array([0, utf8.byteLength]);
  return hasher.hash(new Uint16Array([slot.number]), utf8, offsets)[0];
}

/** A record of examples: user, item, label; each slot has one id. */
function record(...examples: readonly [string, string, number][]): Uint8Array {
  const slots = schema.slots.length;
  const ids = new BigUint64Array(examples.length * slots);
  const listOffsets = new Uint32Array(examples.length * slots + 1).map((_, i) => i);
  examples.forEach(([user, item], row) => {
    schema.slots.forEach((slot, column) => {
      if (slot.kind !== "id") return;
      ids[row * slots + column] = idOf(slot.source, slot.source === "user" ? user : item);
    });
  });
  const bytes = (array: { buffer: ArrayBuffer }) => new Uint8Array(array.buffer);
  return encodeExamples({
    firstRow: 0,
    rows: examples.length,
    schemaFingerprint: 5,
    ids: bytes(ids),
    listOffsets: bytes(listOffsets),
    dense: new Uint8Array(0),
    labels: bytes(Float32Array.from(examples, ([, , label]) => label)),
    logSampleRate: new Uint8Array(0),
    servedPredictions: new Uint8Array(0),
    atMs: 0,
    acceptedAtMs: 0,
  });
}

/** A record of a ranking. */
function impression(rankingId: string): Uint8Array {
  return encodeEvent({
    kind: "impression",
    rankingId,
    atMs: 0,
    acceptedAtMs: 0,
    user: "ann",
    shown: new Uint8Array(0),
  });
}

Deno.test("each accepted click that is one positive example is neither lost nor twice", () => {
  const audit = new ClickAudit(schema, hasher);
  audit.event(impression("r"));
  audit.clicked({ rankingId: "r", user: "ann", item: "tent" });
  audit.clicked({ rankingId: "r", user: "ann", item: "tent" }); // on another ranking
  audit.clicked({ rankingId: "r", user: "bob", item: "bike" });
  audit.example(record(["ann", "tent", 1], ["ann", "bike", 0]));
  audit.example(record(["bob", "bike", 1], ["ann", "tent", 1]));
  assert.deepEqual(audit.result(), { accepted: 3, unlogged: 0, learned: 3, lost: 0, twice: 0 });
});

Deno.test("a click without an example is lost, and one with two is twice, though the sums agree", () => {
  const audit = new ClickAudit(schema, hasher);
  audit.event(impression("r"));
  audit.clicked({ rankingId: "r", user: "ann", item: "tent" });
  audit.clicked({ rankingId: "r", user: "bob", item: "bike" });
  audit.example(record(["bob", "bike", 1], ["bob", "bike", 1]));
  assert.deepEqual(audit.result(), { accepted: 2, unlogged: 0, learned: 2, lost: 1, twice: 1 });
});

Deno.test("a click on a ranking that is not in the event log is not expected as an example", () => {
  const audit = new ClickAudit(schema, hasher);
  audit.event(impression("logged"));
  audit.clicked({ rankingId: "logged", user: "ann", item: "tent" });
  audit.clicked({ rankingId: "not logged", user: "ann", item: "tent" });
  audit.example(record(["ann", "tent", 1]));
  assert.deepEqual(audit.result(), { accepted: 1, unlogged: 1, learned: 1, lost: 0, twice: 0 });
});

Deno.test("the demo's mesh has seven hosts on ports of their own", () => {
  assert.deepEqual(mesh?.hosts.map(({ name }) => name), [
    "edge-1",
    "edge-2",
    "learn-1",
    "learn-2",
    "tables-1",
    "tables-2",
    "tables-3",
  ]);
  assert.equal(new Set(ports.values()).size, 7);
});
