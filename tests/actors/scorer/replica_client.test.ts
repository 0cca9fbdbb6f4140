/**
 * Lookups that share their memory, one after another, where some of them fail.
 */
import assert from "node:assert/strict";
import { ReplicaClient } from "../../../actors/scorer/replica_client.ts";
import type {
  ReplicaLookup,
  ServingReplicaMessage,
} from "../../../actors/serving_replica/protocol.ts";
import type { ServedRows } from "../../../kernels/embedding/serving_table.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";

const GROUPED = {
  uniqueIds: BigUint64Array.of(1n, 2n, 3n, 4n),
  groupStarts: Uint32Array.of(0, 2, 4),
};
const BUDGET = { budgetMs: 100 };

/** A replica that answers lookups as `answer` says. */
function replica(answer: (lookup: ReplicaLookup) => Promise<ServedRows>) {
  return { ask: answer } as unknown as ActorRef<ServingReplicaMessage>;
}

/** Rows of one weight, in the memory of the last answer, as a serving table makes them. */
function rowsOf({ ids, spare }: ReplicaLookup, weight: number): ServedRows {
  const rows = spare?.rows ?? new Float32Array(ids.length);
  const found = spare?.found ?? new Uint8Array(ids.length);
  return { rows: rows.fill(weight), found: found.fill(1) };
}

Deno.test("a lookup that failed leaves the next one alone, however late its other shards answer", async () => {
  const late = Promise.withResolvers<void>();
  const slow = Promise.withResolvers<void>();
  let failing = true;
  const hanging = replica((lookup) =>
    failing ? late.promise.then(() => rowsOf(lookup, -1)) : Promise.resolve(rowsOf(lookup, 2))
  );
  const other = replica((lookup) => Promise.resolve(rowsOf(lookup, -1)));
  const second = replica((lookup) =>
    failing ? Promise.reject(new Error("not current")) : slow.promise.then(() => rowsOf(lookup, 2))
  );
  const client = new ReplicaClient([[hanging, other], [second]], 1);
  const first = client.lookup(GROUPED, BUDGET);
  let ended = false;
  const failed = assert.rejects(first, /not current/).then(() => ended = true);
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  assert.ok(!ended, "it ends when nobody uses its memory any more");
  late.reject(new Error("too late"));
  await failed;

  failing = false;
  const next = client.lookup(GROUPED, BUDGET);
  slow.resolve();
  const { rows, found } = await next;
  assert.deepEqual(found, Uint8Array.of(1, 1, 1, 1));
  assert.equal(rows.length, 2);
  assert.deepEqual(rows[1], Float32Array.of(2, 2));
});
