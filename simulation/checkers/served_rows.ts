/**
 * A serving replica holds the rows of its shard, once nothing is on its way.
 *
 *     at the end, ∀ shard:  ids(replica) = ids(shard), and their weights are equal bit by bit,
 *         those of the shard read back from a table of the precision of serving
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { addresses } from "../../server/addresses.ts";
import { ServingReplicas } from "../../server/serving_replicas.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { asServed } from "./as_served.ts";
import type { Checker, CheckerFactory } from "./checker.ts";
import { rowsOf } from "./shard_rows.ts";

const BUDGET = { budgetMs: 10_000 };
/**
 * Comparisons, with pauses between them, of which one must find no difference. A feed waits for its
 * budget of 5 s where the shard that it has asked stops.
 */
const COMPARISONS_MAX = 12;
const PAUSE_MS = 500;
/** A window that ends after the last look at the pending work may still change rows, ms. */
const DRAIN_MS_MAX = 30_000;

/** @param running The process at the end of the run. */
export function servedRows(running: () => RunningMesh | undefined): CheckerFactory {
  return (context) => ({
    name: "served-rows",
    async atEnd() {
      const mesh = running();
      const difference = mesh && await firstServedDifference(mesh);
      if (difference !== undefined) context.fail(difference);
    },
  } satisfies Checker);
}

/**
 * The first difference between the shards and the replicas of a process, in words; undefined where
 * there is none.
 *
 * @param host Undefined = the only process.
 */
export async function firstServedDifference(
  mesh: RunningMesh,
  host?: string,
): Promise<string | undefined> {
  for (const { shard, replica } of new ServingReplicas(mesh.configuration).heldBy(host)) {
    let difference = await differenceOf(mesh, shard, replica);
    // A row may expire on the shard, and on the replica a moment later, between two questions.
    for (let i = 1; i < COMPARISONS_MAX && difference !== undefined; i++) {
      await drained(mesh, shard);
      difference = await differenceOf(mesh, shard, replica);
    }
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** Waits until the shard has given all changed rows, for `DRAIN_MS_MAX` at most. */
async function drained({ mesh, configuration }: RunningMesh, shard: number): Promise<void> {
  const { clock } = mesh.home;
  const address = addresses.embeddingShard(shard, configuration.sharding);
  const endsMs = clock.monotonicMs() + DRAIN_MS_MAX;
  let touched: number;
  do {
    await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
    const owner = mesh.actorRef<EmbeddingShardMessage>(address);
    ({ touched } = await owner.ask({ kind: "getStatistics" }, BUDGET));
  } while (touched > 0 && clock.monotonicMs() < endsMs);
}

/** The first difference, in words; undefined where there is none. */
async function differenceOf(
  { mesh, configuration }: RunningMesh,
  shard: number,
  address: Address,
): Promise<string | undefined> {
  const { sharding } = configuration;
  const owner = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, sharding));
  const replica = mesh.actorRef<ServingReplicaMessage>(address);
  const classes = configuration.embeddingShard.tables.classes.length;
  let rowsSeen = 0;
  for await (const page of rowsOf(owner)) {
    rowsSeen += page.ids.length;
    const starts = Uint32Array.from(
      { length: classes + 1 },
      (_, rowClass) => rowClass > page.class ? page.ids.length : 0,
    );
    const served = await replica.ask({ kind: "lookup", ids: page.ids, starts }, BUDGET);
    const missing = served.found.findIndex((found) => found !== 1);
    if (missing >= 0) {
      return `${address} lacks id ${page.ids[missing].toString(16)} of its shard`;
    }
    const expected = asServed({ ids: page.ids, starts }, page.rows, configuration.servingReplica);
    const different = served.rows.findIndex((weight, i) => !Object.is(weight, expected[i]));
    if (different >= 0) return `a weight of ${address} differs from its shard's`;
  }
  const { rows } = await replica.ask({ kind: "getStatistics" }, BUDGET);
  if (rows === rowsSeen) return undefined;
  return `${address} holds ${rows} rows and its shard ${rowsSeen}`;
}
