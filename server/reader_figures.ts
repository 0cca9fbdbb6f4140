/**
 * How far the joiners, trainers and feature keepers of a host are behind their logs, for operators.
 */
import type { FeatureKeeperMessage } from "../actors/feature_keeper/protocol.ts";
import type { JoinerMessage } from "../actors/joiner/protocol.ts";
import type { TrainerMessage } from "../actors/trainer/protocol.ts";
import { type ReaderKey, unreadFigure } from "../mesh/placement/mesh_views.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";

/**
 * Asks the readers how many records of their partitions they have not read. A reader that does not
 * answer in time, or does not know the end of its log, is left out: the host's lease, which waits
 * for this, is renewed in time.
 *
 * @returns Records of the event log, or chunks of the example log, by the reader's figure.
 */
export async function readerFigures(
  mesh: Pick<Mesh, "actorRef">,
  readers: ReadonlyMap<ReaderKey, Address>,
  budgetMs: number,
): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  await Promise.all([...readers].map(async ([key, address]) => {
    const unread = await unreadOf(mesh, key, address, budgetMs).catch(() => undefined);
    if (unread !== undefined) figures[unreadFigure(key)] = unread;
  }));
  return figures;
}

async function unreadOf(
  mesh: Pick<Mesh, "actorRef">,
  key: ReaderKey,
  address: Address,
  budgetMs: number,
): Promise<number | undefined> {
  if (key.startsWith("events/")) {
    const joiner = mesh.actorRef<JoinerMessage>(address);
    return (await joiner.ask({ kind: "getStatus" }, { budgetMs })).recordsUnread;
  }
  if (key.startsWith("keeper/")) {
    const keeper = mesh.actorRef<FeatureKeeperMessage>(address);
    return (await keeper.ask({ kind: "getStatus" }, { budgetMs })).recordsUnread;
  }
  const trainer = mesh.actorRef<TrainerMessage>(address);
  return (await trainer.ask({ kind: "getStatus" }, { budgetMs })).chunksUnread;
}
