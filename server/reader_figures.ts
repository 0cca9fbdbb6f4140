/**
 * How far the joiners, trainers and feature keepers of a host have read their logs, for operators.
 */
import type { FeatureKeeperMessage } from "../actors/feature_keeper/protocol.ts";
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import { positionFigure, type ReaderKey } from "../mesh/placement/mesh_views.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";

/**
 * Asks the readers for their positions. A reader that does not answer in time is left out: the
 * host's lease, which waits for this, is renewed in time.
 *
 * @returns The sum of the offsets of each reader's partitions, by its figure.
 */
export async function readerFigures(
  mesh: Mesh,
  readers: ReadonlyMap<ReaderKey, Address>,
  budgetMs: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  await Promise.all([...readers].map(async ([key, address]) => {
    const position = await positionOf(mesh, key, address, budgetMs).catch(() => undefined);
    if (position !== undefined) figures[positionFigure(key)] = position;
  }));
  return figures;
}

async function positionOf(
  mesh: Mesh,
  key: ReaderKey,
  address: Address,
  budgetMs: number,
): Promise<number> {
  if (key.startsWith("events/")) {
    const joiner = mesh.actorRef<JoinerMessage>(address);
    return (await joiner.ask({ kind: "getStatus" }, { budgetMs })).offset;
  }
  if (key.startsWith("keeper/")) {
    const keeper = mesh.actorRef<FeatureKeeperMessage>(address);
    const { offsets } = await keeper.ask({ kind: "getStatus" }, { budgetMs });
    return offsets.reduce((sum, offset) => sum + offset, 0);
  }
  const trainer = mesh.actorRef<TrainerMessage>(address);
  const { offsets } = await trainer.ask({ kind: "getStatus" }, { budgetMs });
  return offsets.reduce((sum, { offset }) => sum + offset, 0);
}
