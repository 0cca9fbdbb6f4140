import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { wholeDeltas } from "../../../simulation/checkers/whole_deltas.ts";
import { smallConfiguration } from "../../integration/small_mesh.ts";

const SHARD = "embedding_shard/0";
const LINEAGE = "lineage";

/** A checker of one shard, whose id 1 changes, and the promises that it has seen broken. */
function watch() {
  const failures: string[] = [];
  const configuration = parseConfiguration(smallConfiguration("in one thread"), "cairn.yaml");
  const create = wholeDeltas(() => configuration);
  const checker = create({ nowMs: () => 0, fail: (message) => failures.push(message) });
  const answers = (message: object, value: object) =>
    checker.answers?.(SHARD, message as never, value);
  const positionAt = (sequence: number) => ({ lineage: LINEAGE, sequence });
  return {
    failures,
    changes: () =>
      answers({ kind: "applyGradients", ids: BigUint64Array.of(1n) }, { applied: true }),
    misses(taker: string, sequence: number) {
      const value = { deltas: [], position: positionAt(sequence), missed: true };
      answers({ kind: "takeDeltas", taker }, value);
    },
    reads: (sequence: number) =>
      answers({ kind: "exportRows" }, { position: positionAt(sequence) }),
    /** The answer to a taker at a position: deltas of id 1, or none. */
    takes(taker: string, at: number, ...sequences: readonly number[]) {
      const classes = [{ ids: BigUint64Array.of(1n), tombstones: new BigUint64Array(0) }];
      const deltas = sequences.map((sequence) => ({ ...positionAt(sequence), classes }));
      const position = positionAt(sequences.at(-1) ?? at);
      const message = { kind: "takeDeltas", taker, position: positionAt(at) };
      answers(message, { deltas, position, complete: true });
    },
  };
}

Deno.test("a taker that has missed deltas is owed those behind the rows that it reads", () => {
  const { failures, changes, misses, reads, takes } = watch();
  misses("other", 0);
  misses("taker", 0);
  changes();
  takes("other", 0, 1);
  reads(1);
  takes("taker", 1);
  assert.deepEqual(failures, [], "it has read what the first delta has");
  changes();
  takes("taker", 1);
  assert.equal(failures.length, 1);
});

Deno.test("a taker is owed what changes behind its position while it reads all rows", () => {
  const { failures, changes, misses, reads, takes } = watch();
  misses("taker", 0);
  reads(0);
  changes();
  takes("taker", 0);
  assert.equal(failures.length, 1);
});
