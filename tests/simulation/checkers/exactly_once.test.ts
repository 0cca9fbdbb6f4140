import assert from "node:assert/strict";
import type { ApplyGradients } from "../../../actors/embedding_shard/protocol.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import { exactlyOnce } from "../../../simulation/checkers/exactly_once.ts";

const SHARD = "embedding_shard/0";
const source = gradientSource(0);

/** A checker of a shard that owns all ids, and the promises that it has seen broken. */
function watch() {
  const failures: string[] = [];
  const checker = exactlyOnce({ nowMs: () => 0, fail: (message) => failures.push(message) });
  let rows = 0;
  return {
    failures,

    begins: (host: string) => checker.processBegan?.(host),
    dies: (host: string) => checker.processDied?.(host),
    opens(incarnation: string) {
      checker.began?.(SHARD, "table", { shards: 1 });
      const answer = { incarnation, sequence: 0 };
      checker.answers?.(SHARD, { kind: "openSource", source } as never, answer, "table");
    },
    /** A chunk of one row with one id becomes durable. */
    logs(id: bigint, label = 0) {
      checker.durable?.("examples", 0, [chunkOf(id, rows, label)], rows++);
    },
    givesUp: (row: number) => checker.examplesGivenUp?.(0, row),
    loses(endOffset: number) {
      rows = endOffset;
      checker.tailLost?.("examples", 0, endOffset);
    },
    applies(incarnation: string, sequence: number, ...ids: bigint[]) {
      const message = {
        kind: "applyGradients",
        source,
        sequence,
        ids: BigUint64Array.from(ids),
        counts: Uint32Array.from(ids, () => 1),
        opening: { incarnation, epoch: 1 },
      } as unknown as ApplyGradients;
      checker.answers?.(SHARD, message, { applied: true }, "table");
    },
  };
}

function chunkOf(id: bigint, firstRow: number, label: number): Uint8Array {
  const none = new Uint8Array();
  return encodeExamples({
    firstRow,
    rows: 1,
    schemaFingerprint: 5,
    ids: new Uint8Array(BigUint64Array.of(id).buffer),
    listOffsets: new Uint8Array(Uint32Array.of(0, 1).buffer),
    dense: none,
    labels: new Uint8Array(Float32Array.of(label).buffer),
    logSampleRate: new Uint8Array(4),
    servedPredictions: new Uint8Array(4),
    atMs: 0,
    acceptedAtMs: 0,
  });
}

Deno.test("gradients of other ids than the log has, twice or too few, break the promise", () => {
  for (const ids of [[7n, 9n], [7n, 7n], [7n], [7n, 8n, 8n]]) {
    const { failures, opens, logs, applies } = watch();
    opens("a");
    logs(7n);
    logs(8n);
    applies("a", 2, ...ids);
    assert.equal(failures.length, 1, ids.join());
    applies("a", 2, 7n, 8n);
    assert.equal(failures.length, 2);
  }
});

Deno.test("a row that no model can learn may be left out of gradients, and no other row", () => {
  for (const ids of [[7n], [7n, 8n]]) {
    const { failures, opens, logs, applies } = watch();
    opens("a");
    logs(7n);
    logs(8n, 1e30);
    applies("a", 2, ...ids);
    assert.deepEqual(failures, [], ids.join());
  }
  const { failures, opens, logs, applies } = watch();
  opens("a");
  logs(7n);
  logs(8n, 1e30);
  applies("a", 2, 8n);
  assert.equal(failures.length, 1);
});

Deno.test("rows that an operator has given up may be left out, and no later row", () => {
  const { failures, opens, logs, givesUp, applies } = watch();
  opens("a");
  for (const id of [7n, 8n, 9n]) logs(id);
  givesUp(2);
  applies("a", 3, 8n, 9n);
  assert.deepEqual(failures, []);
  opens("b");
  applies("b", 3, 7n);
  assert.equal(failures.length, 1);
});

Deno.test("a shard may apply rows that a fail-over lost while their readers are alive", () => {
  const { failures, begins, dies, opens, logs, loses, applies } = watch();
  begins("learn");
  begins("table");
  opens("a");
  logs(7n);
  logs(8n);
  loses(1);
  dies("learn");
  begins("learn");
  applies("a", 2, 7n, 8n);
  opens("b");
  logs(9n);
  applies("b", 2, 7n, 9n);
  assert.deepEqual(failures, []);
  opens("c");
  applies("c", 2, 7n, 10n);
  assert.equal(failures.length, 1);
});

Deno.test("a shard may not apply rows that were lost before each process began", () => {
  const { failures, begins, dies, opens, logs, loses, applies } = watch();
  begins("learn");
  logs(7n);
  logs(8n);
  loses(1);
  dies("learn");
  begins("learn");
  opens("a");
  applies("a", 2, 7n, 8n);
  assert.deepEqual(failures, [
    `${SHARD} applied rows 0 to 2 of ${source} with 1 occurrences of id 8; the log has 0`,
  ]);
});
