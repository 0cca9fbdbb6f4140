/**
 * Stores as one incarnation of an actor sees them. Its writes go through the incarnation's fence: a
 * write that is begun after its end fails, and the next incarnation is made when the writes under
 * way have settled. Its own output, as it reads it, is then complete.
 */
import type { BlobStore } from "../ports/blob_store.ts";
import type { AppendFence, AppendUntil, EventLog } from "../ports/event_log.ts";
import type { ActorContext, Message } from "./actor.ts";

/** The part of a context that fences writes. */
type Fence = Pick<ActorContext<Message>, "fence">;

/** A log whose appends, commits and trims end with the incarnation. */
export function fencedEventLog(log: EventLog, context: Fence): EventLog {
  const roll = log.roll?.bind(log);
  const extend = log.extend?.bind(log);
  return {
    ...(roll && { roll: (partition) => context.fence(() => roll(partition)) }),
    ...(extend && { extend: (extent) => context.fence(() => extend(extent)) }),
    get partitions() {
      return log.partitions;
    },
    get firstPartition() {
      return log.firstPartition;
    },
    append: (
      partition: number,
      records: readonly Uint8Array[],
      until?: AppendUntil,
      fence?: AppendFence,
    ) => context.fence(() => log.append(partition, records, until, fence)),
    claim: (partition, epoch) => context.fence(() => log.claim(partition, epoch)),
    claimedEpoch: (partition) => log.claimedEpoch(partition),
    read: (partition, fromOffset, recordsMax, reader) =>
      log.read(partition, fromOffset, recordsMax, reader),
    endOffset: (partition) => log.endOffset(partition),
    knownEnd: (partition) => log.knownEnd(partition),
    onAppended: (partition, listener, haste) => log.onAppended(partition, listener, haste),
    commitOffset: (consumer, partition, offset) =>
      context.fence(() => log.commitOffset(consumer, partition, offset)),
    committedOffset: (consumer, partition) => log.committedOffset(consumer, partition),
    trim: (partition, offset) => context.fence(() => log.trim(partition, offset)),
    usage: () => log.usage(),
    refusal: () => log.refusal(),
    close: () => log.close(),
  };
}

/** A blob store whose puts and deletes end with the incarnation. */
export function fencedBlobStore(store: BlobStore, context: Fence): BlobStore {
  return {
    put: (name, bytes) => context.fence(() => store.put(name, bytes)),
    get: (name) => store.get(name),
    list: (prefix) => store.list(prefix),
    delete: (name) => context.fence(() => store.delete(name)),
    listUnfinished: (prefix) => store.listUnfinished(prefix),
    deleteUnfinished: (name) => context.fence(() => store.deleteUnfinished(name)),
  };
}
