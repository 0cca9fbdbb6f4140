/**
 * The snapshots of a snapshotter sort before those of later ones, also parts that it writes late:
 * the later ones delete them.
 *
 *     ∀ snapshots a, b, begun under epochs of the first trainer with epoch(a) < epoch(b):
 *         a has a part  ⇒  name(a) < name(b)
 */
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import type { TrainerOptions } from "../../actors/trainer/options.ts";
import { addresses } from "../../server/addresses.ts";
import type { Checker, CheckerContext } from "./checker.ts";

const FIRST_TRAINER = addresses.trainer(0);
/** A part of a snapshot: `snapshots/001764412388123/trainer/0`. */
const PART = /^(snapshots\/\d+)\/(?:trainer|shard-)/;

export function ascendingSnapshots(context: CheckerContext): Checker {
  /** Epoch of the first trainer of each host. */
  const epochs = new Map<string, number>();
  /** Epoch under which each snapshot was begun, by name. */
  const begun = new Map<string, number>();
  /** The parts that are stored, by snapshot. */
  const parts = new Map<string, Set<string>>();
  const check = () => {
    for (const [earlier] of parts) {
      const epoch = begun.get(earlier) ?? Infinity;
      for (const [later, its] of begun) {
        if (epoch >= its || earlier < later) continue;
        context.fail(
          `${earlier} of epoch ${epoch} has a part, and sorts after ${later} of epoch ${its}`,
        );
      }
    }
  };
  return {
    name: "ascending-snapshots",
    began(actor, host = "", options) {
      if (actor === FIRST_TRAINER) epochs.set(host, (options as TrainerOptions).tenure ?? 0);
    },
    handles(actor, message, host = "") {
      if (actor !== FIRST_TRAINER) return;
      const cut = message as TrainerMessage;
      if (cut.kind !== "cut") return;
      begun.set(cut.snapshot, epochs.get(host) ?? 0);
      check();
    },
    blobStored(name) {
      const snapshot = PART.exec(name)?.[1];
      if (snapshot === undefined) return;
      parts.set(snapshot, (parts.get(snapshot) ?? new Set()).add(name));
      check();
    },
    blobDeleted(name) {
      const snapshot = PART.exec(name)?.[1] ?? "";
      const left = parts.get(snapshot);
      left?.delete(name);
      if (left?.size === 0) parts.delete(snapshot);
    },
    redisLost() {
      begun.clear();
      parts.clear();
    },
  };
}
