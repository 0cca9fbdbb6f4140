/**
 * Invariant 4 of a mesh: a manifest never refers to two epochs of one shard.
 *
 *     ∀ visible manifest m, ∀ shard s:  one process cut and wrote s for m, under one epoch
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { SnapshotManifest } from "../../records/snapshot_manifest.ts";
import { shardAt } from "../../server/addresses.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { ShardEpochs } from "./shard_epochs.ts";

const MANIFEST = "/manifest.json";

export function oneCutPerManifest(context: CheckerContext): Checker {
  const epochs = new ShardEpochs();
  /** Process and epoch of the cuts and of the parts, by snapshot and shard. */
  const cuts = new Map<string, string>();
  const parts = new Map<string, Set<string>>();
  const writerOf = (actor: string, host: string) =>
    `${epochs.processOf(host)} in epoch ${epochs.of(actor, host)}`;
  return {
    name: "one-cut-per-manifest",
    processBegan: (host) => epochs.processBegan(host),
    began: (actor, host, options) => epochs.began(actor, host, options),
    answers(actor, request, _value, host = "") {
      if (!actor.startsWith("embedding_shard/")) return;
      const message = request as EmbeddingShardMessage;
      if (message.kind === "beginSnapshot") {
        cuts.set(`${message.snapshot} ${shardAt(actor)}`, writerOf(actor, host));
      } else if (message.kind === "writeSnapshot") {
        const key = `${message.snapshot} ${shardAt(actor)}`;
        parts.set(key, (parts.get(key) ?? new Set()).add(writerOf(actor, host)));
      }
    },
    blobDeleted(name) {
      // An operator deletes the newest snapshot: the next one may get its name.
      if (!name.endsWith(MANIFEST)) return;
      const snapshot = `${name.slice(0, -MANIFEST.length)} `;
      for (const key of parts.keys()) if (key.startsWith(snapshot)) parts.delete(key);
    },
    blobStored(name, bytes) {
      if (!name.endsWith(MANIFEST)) return;
      const manifest = JSON.parse(new TextDecoder().decode(bytes)) as SnapshotManifest;
      for (const { shard } of manifest.shards) {
        const key = `${manifest.name} ${shard}`;
        const writers = [...parts.get(key) ?? []];
        if (writers.length === 1 && writers[0] === cuts.get(key)) continue;
        context.fail(
          `${manifest.name} names shard ${shard}, which was cut by ${
            cuts.get(key)
          } and written by ` +
            `${writers.join(" and by ") || "none"}`,
        );
      }
    },
  };
}
