/**
 * A loop with a scorer that has learned, for the tests of scorers.
 */
import { defineServingReplica } from "../../../actors/serving_replica/definition.ts";
import type { ServingReplicaMessage } from "../../../actors/serving_replica/protocol.ts";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";
import type { ActorDefinition } from "../../../mesh/runtime/actor.ts";
import { Loop } from "../loop.ts";

export const USERS = ["u", "v", "w"];
export const ITEMS = ["a", "b", "c", "d"];

/** A loop that has learned tastes, so that scores differ. */
export async function trained(options: Parameters<typeof Loop.start>[0] = {}): Promise<Loop> {
  const loop = await Loop.start(options);
  for (const [i, user] of USERS.entries()) {
    const { rankingId } = await loop.rank(user, ITEMS);
    await loop.act(rankingId, ITEMS[i], "click");
    await loop.mesh.advance(100);
  }
  await loop.mesh.advance(11_000);
  await loop.rank("end", ["z"]);
  await loop.mesh.advance(1_000);
  return loop;
}

/** Features of `rows` unknown items. */
export function features(rows: number): FeatureBatch {
  return {
    rows,
    ids: BigUint64Array.from({ length: rows }, (_, i) => 2n << 48n | BigInt(i)),
    listOffsets: Uint32Array.from({ length: 3 * rows + 1 }, (_, i) => Math.ceil(i / 3)),
    dense: new Float32Array(0),
  };
}

/** A serving replica that answers nothing. */
export const silentReplica: ActorDefinition<ServingReplicaMessage, undefined> = {
  ...defineServingReplica(),
  create: () => ({ receive() {} }),
};
