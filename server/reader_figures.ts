/**
 * How far the joiners and trainers of a host have read their logs, for operators.
 */
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import { positionFigure } from "../mesh/placement/mesh_views.ts";
import type { PlacedKey } from "../mesh/ports/coordination.ts";
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
  readers: ReadonlyMap<PlacedKey, Address>,
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
  key: PlacedKey,
  address: Address,
  budgetMs: number,
): Promise<number> {
  if (key.startsWith("events/")) {
    const joiner = mesh.actorRef<JoinerMessage>(address);
    return (await joiner.ask({ kind: "getStatus" }, { budgetMs })).offset;
  }
  const trainer = mesh.actorRef<TrainerMessage>(address);
  const { offsets } = await trainer.ask({ kind: "getStatus" }, { budgetMs });
  return offsets.reduce((sum, { offset }) => sum + offset, 0);
}
