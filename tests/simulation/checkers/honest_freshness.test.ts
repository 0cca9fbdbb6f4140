import assert from "node:assert/strict";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import { honestFreshness } from "../../../simulation/checkers/honest_freshness.ts";

const SHARD = "embedding_shard/0";
const REPLICA = "serving_replica/0";
const source = gradientSource(0);
const incarnation = "incarnation";
const MARK = 100;

/**
 * A checker of a shard that has learned one row without a change of rows, since its id is not
 * admitted yet, and the promises that it has seen broken.
 */
function watch() {
  const failures: string[] = [];
  const checker = honestFreshness({ nowMs: () => 0, fail: (message) => failures.push(message) });
  const answers = (
    actor: typeof SHARD | typeof REPLICA | "scorer/0",
    message: object,
    value: object,
  ) => checker.answers?.(actor, message as never, value);
  const applies = (sequence: number) => {
    const message = { kind: "applyGradients", source, sequence, opening: { incarnation } };
    answers(SHARD, message, { applied: true });
  };
  const takes = (sequence: number, complete: boolean) => {
    const position = { lineage: "lineage", sequence };
    answers(SHARD, { kind: "takeDeltas", rowsMax: 64 }, {
      ...{ deltas: [], position, incarnation, complete },
    });
  };
  checker.durable?.("examples", 0, [chunk()], 0);
  applies(1);
  takes(0, true);
  return {
    failures,
    applies,
    takes,
    beginsEmpty(lacksRows: boolean) {
      const position = { lineage: "lineage", sequence: 0 };
      answers(REPLICA, { kind: "loadRows", position, lacksRows }, {});
    },
    claims: () =>
      answers("scorer/0", { kind: "setFreshness", sharding: 0, learnedThroughMs: MARK }, {
        sharding: 0,
      }),
  };
}

function chunk(): Uint8Array {
  const none = new Uint8Array();
  return encodeExamples({
    firstRow: 0,
    rows: 1,
    ids: new Uint8Array(BigUint64Array.of(1n).buffer),
    listOffsets: new Uint8Array(Uint32Array.of(0, 1).buffer),
    dense: none,
    labels: new Uint8Array(Float32Array.of(1).buffer),
    logSampleRate: new Uint8Array(4),
    servedPredictions: new Uint8Array(4),
    atMs: 0,
    acceptedAtMs: MARK,
  });
}

Deno.test("a replica that begins empty where no row has changed serves what is learned by then", () => {
  const { failures, applies, takes, beginsEmpty, claims } = watch();
  applies(2); // changes a row after the mark
  beginsEmpty(false);
  takes(0, false);
  claims();
  assert.deepEqual(failures, []);
});

Deno.test("a replica that begins empty and lacks rows breaks a claim", () => {
  const { failures, applies, beginsEmpty, claims } = watch();
  applies(2);
  beginsEmpty(true);
  claims();
  assert.equal(failures.length, 1);
});
