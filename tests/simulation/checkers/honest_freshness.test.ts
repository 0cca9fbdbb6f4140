import assert from "node:assert/strict";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import { honestFreshness } from "../../../simulation/checkers/honest_freshness.ts";

const SHARD = "embedding_shard/0";
const REPLICA = "serving_replica/0";
const SCORER = "scorer/0";
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
    actor: typeof SHARD | typeof REPLICA | typeof SCORER,
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
  const delta = (sequence: number) => ({ lineage: "lineage", sequence, classes: [] });
  checker.durable?.("examples", 0, [chunk()], 0);
  applies(1);
  takes(0, true);
  return {
    failures,
    applies,
    takes,
    /** The shard makes a delta of all that it has applied. */
    seals(sequence: number) {
      const deltas = [delta(sequence)];
      const position = { lineage: "lineage", sequence };
      answers(SHARD, { kind: "takeDeltas", rowsMax: 64 }, { deltas, position, incarnation });
    },
    carries(...sequences: readonly number[]) {
      for (const sequence of sequences) {
        answers(REPLICA, { kind: "applyDelta", delta: delta(sequence) }, { status: "applied" });
      }
    },
    beginsEmpty(lacksRows: boolean) {
      const position = { lineage: "lineage", sequence: 0 };
      answers(REPLICA, { kind: "loadRows", position, lacksRows }, {});
    },
    scores(learnedThroughMs: number) {
      checker.began?.(SCORER, undefined, { replicas: [[REPLICA]] });
      const features = { ids: BigUint64Array.of(1n) };
      answers(SCORER, { kind: "score", features }, { learnedThroughMs });
    },
    claims: () => answers(REPLICA, { kind: "setMark", learnedThroughMs: MARK }, {}),
  };
}

function chunk(): Uint8Array {
  const none = new Uint8Array();
  return encodeExamples({
    firstRow: 0,
    rows: 1,
    schemaFingerprint: 5,
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

/** The claim is of the first row, which the second delta has, after these deltas. */
function failuresAfter(...sequences: readonly number[]): string[] {
  const { failures, seals, carries, beginsEmpty, applies, takes, claims } = watch();
  beginsEmpty(true);
  seals(1);
  applies(1);
  seals(2);
  carries(...sequences);
  takes(2, true);
  claims();
  return failures;
}

Deno.test("deltas in their order bring a replica the rows that are claimed", () => {
  assert.deepEqual(failuresAfter(1, 2), []);
});

Deno.test("a delta that follows another one than the replica's breaks a claim", () => {
  assert.equal(failuresAfter(2).length, 1);
});

Deno.test("an older delta after a newer one breaks a claim until the newer one comes again", () => {
  assert.equal(failuresAfter(1, 2, 1).length, 1);
  assert.deepEqual(failuresAfter(1, 2, 1, 2), []);
});

Deno.test("scores break a promise that claim more than the replicas they were looked up in", () => {
  const { failures, takes, beginsEmpty, claims, scores } = watch();
  beginsEmpty(false);
  takes(0, true);
  claims();
  scores(MARK);
  assert.deepEqual(failures, []);
  const other = watch();
  other.scores(MARK);
  assert.equal(other.failures.length, 1);
});
