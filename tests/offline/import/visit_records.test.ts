import assert from "node:assert/strict";
import type { Visit } from "../../../offline/import/visits.ts";
import { VisitRecords } from "../../../offline/import/visit_records.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";
import { decodeEvent } from "../../../records/event_record.ts";
import { ImpressionRowsReader } from "../../../records/impression_rows_reader.ts";
import { NumberMemory } from "../../../structures/number_memory.ts";

const schema: FeatureSchema = {
  slots: [{ kind: "id", name: "item", number: 1, source: "item", pooling: "sum" }],
  dense: [
    {
      name: "clicks",
      source: "item",
      attribute: "clicks",
      scaling: { kind: "none", clip: 1e4 },
    },
  ],
  denseWidth: 1,
  keptOfItems: ["clicks"],
};

function visit(id: string, atMs: number): Visit {
  return {
    user: "ann",
    atMs,
    itemFields: new Map(),
    ranking: { id, items: ["a", "b"], context: {} },
    actions: [{ eventId: `e-${id}`, rankingId: id, item: "a", action: "click", value: NaN, atMs }],
  };
}

function clicksOf(record: Uint8Array): number[] {
  const impression = decodeEvent(record);
  assert.ok(impression.kind === "impression");
  const { dense } = new ImpressionRowsReader().open(NumberMemory.copyOf(impression.shown))
    .features();
  return [...new Float32Array(dense.buffer, dense.byteOffset, 2)];
}

Deno.test("an imported ranking has the features that were kept before it, also after a resume", () => {
  const records = () =>
    new VisitRecords({
      schema,
      tasks: ["click"],
      profiles: { user: new Map(), item: new Map() },
      kept: {
        features: [
          {
            kind: "count",
            name: "clicks",
            by: "item",
            of: { action: "click" },
            span: { windowMs: 1e6 },
          },
        ],
        shards: 1,
        bytesMax: 2 ** 20,
        valuesMax: 10,
        rankingsMax: 10,
        checkpointMs: 0,
      },
      nextAcceptedAtMs: () => 1,
    });
  const visits = [visit("r0", 0), visit("r1", 1), visit("r2", 2)];
  const whole = records();
  const counts = visits.map((each) => clicksOf(whole.records(each)[0].bytes));
  assert.deepEqual(counts, [[0, 0], [1, 0], [2, 0]]);
  const resumed = records();
  resumed.skip(visits[0]);
  resumed.skip(visits[1]);
  assert.deepEqual(clicksOf(resumed.records(visits[2])[0].bytes), [2, 0]);

  // The log may hold more than the checkpoint tells.
  const cut = records();
  cut.skip(visits[0]);
  const logged = { rankings: new Set(["r1", "r2"]), events: new Set(["e-r1"]) };
  assert.deepEqual(cut.records(visits[1], logged), []);
  const [event, ...others] = cut.records(visits[2], logged)
    .map(({ bytes }) => decodeEvent(bytes));
  assert.ok(event.kind === "action" && event.eventId === "e-r2" && others.length === 0);
  assert.deepEqual(clicksOf(cut.records(visit("r3", 3))[0].bytes), [3, 0]);
});
