/** How the checker tells of a row that is not the log's. */
import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { encodeEvent, readRows } from "../../../records/event_record.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { joinedExamples } from "../../../simulation/checkers/joined_examples.ts";
import { configurationOf } from "../../../simulation/plan/run_plan.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";
import { fingerprintOf } from "../../../structures/fingerprint.ts";
import { exampleColumnsOf } from "../../../kernels/features/schema_fingerprint.ts";
import { action, COLUMNS, impression, joinerOptions } from "../../actors/joiner/records.ts";

const ranked = impression({ ranking: "r", items: ["a", "b"], atMs: 0, acceptedAtMs: 1 });
const bought = action({ ranking: "r", item: "b", action: "buy", atMs: 0, acceptedAtMs: 2 });
const columns = exampleColumnsOf(COLUMNS, ["liked"]);

/** The promise that is broken where the joiner makes this example of the ranking's item b. */
function broken(
  example: { readonly row?: number; readonly label?: number; readonly served?: number } = {},
): string | undefined {
  const { row = 1, label = 1, served = 0.5 } = example;
  const failures: string[] = [];
  const configuration = { ...configurationOf(shopConfiguration, {}), joiner: joinerOptions() };
  const checker = joinedExamples(configuration, { latencies: { linkMs: 0, syncMs: 0 } })({
    nowMs: () => 0,
    fail: (message) => void failures.push(message),
  });
  checker.began?.("joiner/0", undefined, configuration.joiner);
  checker.durable?.("events", 0, [ranked, bought].map(encodeEvent), 0);
  const builder = new ExampleChunkBuilder(columns, 0);
  builder.add({
    features: readRows(ranked).featuresOfRowAlone(row),
    row: 0,
    labels: Float32Array.of(label),
    logSampleRate: 0,
    servedPrediction: served,
    ranking: fingerprintOf("r").low,
    atMs: 0,
    trace: undefined,
  });
  const examples = [encodeExamples(builder.finish(0))];
  checker.durable?.("examples", 0, examples, 0);
  if (failures.length === 0) {
    checker.durable?.("examples", 0, examples, 1);
    assert.match(failures[0], /^row 1 of example partition 0 is not decided by the log$/);
    return undefined;
  }
  return failures[0];
}

Deno.test("a row that differs is told by its first difference", () => {
  assert.equal(broken(), undefined);
  assert.equal(
    broken({ label: 0 }),
    "row 0 of example partition 0 has label 0; by the log it is 1",
  );
  assert.match(broken({ row: 0 }) ?? "", /^row 0 .* has list 1 \[\w+\]; by the log it is \[\w+\]$/);
  assert.match(broken({ served: NaN }) ?? "", /has served prediction NaN; by the log it is 0\.5$/);
});
