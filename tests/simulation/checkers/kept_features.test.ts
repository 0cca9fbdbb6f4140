/** Which answers of a keeper the checker accepts after a fail-over has lost the log's tail. */
import assert from "node:assert/strict";
import type { FeatureKeeperOptions } from "../../../actors/feature_keeper/options.ts";
import { KeptState } from "../../../actors/feature_keeper/kept_state.ts";
import { encodeEvent, type EventRecord } from "../../../records/event_record.ts";
import { keptFeatures } from "../../../simulation/checkers/kept_features.ts";
import { impression } from "../../actors/joiner/records.ts";

const options: FeatureKeeperOptions = {
  features: [{ kind: "history", name: "seen", of: { action: "shown" }, last: 20 }],
  shard: 0,
  shards: 1,
  bytesMax: 2 ** 24,
  rankingsMax: 100,
  valuesMax: 10,
  checkpointMs: 1_000,
};
const asked = { kind: "readKept", user: "u", items: [], atMs: 10, histories: ["shown"] } as const;
const ranked = (ranking: string, item: string): EventRecord => ({
  ...impression({ ranking, items: [item], atMs: 1, acceptedAtMs: 1 }),
  user: "u",
});
const [first, lost, other] = [ranked("r1", "a"), ranked("r2", "b"), ranked("r3", "c")];

/** The checker of a log whose second record was lost and replaced. */
function afterLoss() {
  const failures: string[] = [];
  const checker = keptFeatures({ nowMs: () => 0, fail: (message) => void failures.push(message) });
  const append = (record: EventRecord, at: number) =>
    checker.durable?.("events", 0, [encodeEvent(record)], at);
  const begin = () => checker.began?.("feature_keeper/0", "edge", options);
  const answer = (...records: readonly EventRecord[]) => {
    const state = new KeptState(options);
    for (const record of records) state.take(encodeEvent(record));
    const { user, items, atMs } = asked;
    const values = state.read(user, items, atMs, asked);
    checker.answers?.("feature_keeper/0", asked, values, "edge");
  };
  begin();
  append(first, 0);
  append(lost, 1);
  answer(first, lost);
  checker.tailLost?.("events", 0, 1);
  append(other, 1);
  return {
    checker,
    begin,
    answer,
    failures() {
      checker.atEnd?.();
      return failures;
    },
  };
}

Deno.test("a keeper that begins after a fail-over must not have the lost records", () => {
  const { begin, answer, failures } = afterLoss();
  begin();
  answer(first, lost, other);
  assert.match(
    failures()[0],
    /feature_keeper\/0 answered .* which no prefix of the log's 2 records/,
  );
});

Deno.test("a keeper that begins after a fail-over has the records that replaced the lost ones", () => {
  const { begin, answer, failures } = afterLoss();
  begin();
  answer(first);
  answer(first, other);
  assert.deepEqual(failures(), []);
});

Deno.test("a keeper that begins anew after a fail-over may lack trimmed records, and no others", () => {
  for (const [trimmedTo, isWrong] of [[0, true], [1, false]] as const) {
    const { checker, begin, answer, failures } = afterLoss();
    if (trimmedTo > 0) checker.trimmed?.("events", 0, trimmedTo);
    begin();
    answer(other);
    assert.equal(failures().length > 0, isWrong);
  }
});

Deno.test("a keeper that began before a fail-over is not checked any more", () => {
  const { answer, failures } = afterLoss();
  answer(first, lost, other);
  assert.deepEqual(failures(), []);
});
