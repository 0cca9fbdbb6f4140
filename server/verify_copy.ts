/**
 * Waits until a copy of a shard has nearly all rows, and has it verified, which freezes the owner.
 */
import type { ShardCopyMessage } from "../actors/embedding_shard/copy_protocol.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import type { Pauses } from "./pauses.ts";

export interface CopyWait {
  readonly pauses: Pauses;
  /** Whether the copy is still to become a shard. */
  readonly isWanted: () => boolean;
  /** Time for each ask, ms. */
  readonly budgetMs: number;
}

/** Rows that a copy may be behind when its owner is frozen. */
const BEHIND_ROWS_MAX = 2_048;
/** Time between two looks at the progress of a copy, ms. */
const LOOK_MS = 20;
/** Budgets of an ask in which a copy is verified. */
const VERIFY_BUDGETS = 4;

/**
 * @returns Whether the copy is verified; false where it is wanted no more.
 * @throws {Error} The copy failed, with its reason.
 */
export async function verifyCopy(
  copy: ActorRef<ShardCopyMessage>,
  { pauses, isWanted, budgetMs }: CopyWait,
): Promise<boolean> {
  while (isWanted()) {
    const { state, behindRows, reason } = await copy.ask({ kind: "getCopyProgress" }, { budgetMs });
    if (state === "failed") throw new Error(reason);
    if (state === "following" && behindRows <= BEHIND_ROWS_MAX) {
      await copy.ask({ kind: "verifyCopy" }, { budgetMs: VERIFY_BUDGETS * budgetMs });
      return true;
    }
    await pauses.pause(LOOK_MS);
  }
  return false;
}
