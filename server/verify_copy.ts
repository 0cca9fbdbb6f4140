/**
 * Waits until a copy of a shard has nearly all rows, and has it verified, which freezes the owner.
 *
 * A freeze takes a handful of steps on two hosts, so a host that is late with each of them, as one
 * that has just started, keeps the shard frozen for long. The looks at the copy tell: they are late
 * where this host's timers are, and where the copy waits for an answer of its owner. Two freezes at
 * a time would each wait for the steps of the other, so a host begins one after the end of another.
 */
import type { ShardCopyMessage } from "../actors/embedding_shard/copy_protocol.ts";
import type { ActorRef } from "../mesh/runtime/actor.ts";
import type { Clock } from "../mesh/ports/clock.ts";
import type { Pauses } from "./pauses.ts";

export interface CopyWait {
  readonly clock: Clock;
  readonly pauses: Pauses;
  /** Whether the copy is still to become a shard. */
  readonly isWanted: () => boolean;
  /** Begins the freeze of this shard; false while another one's is under way on this host. */
  readonly beginFreeze: () => boolean;
  /** Time for each ask, ms. */
  readonly budgetMs: number;
}

/** Rows that a copy may be behind when its owner is frozen. */
const BEHIND_ROWS_MAX = 2_048;
/** Time between two looks at the progress of a copy, ms. */
const LOOK_MS = 20;
/** Time that a look and its pause may take for both hosts to count as prompt, ms. */
const PROMPT_MS_MAX = 30;
/** Prompt looks in a row before the owner is frozen. */
const PROMPT_LOOKS = 10;
/** Time after which an owner is frozen although a host is late, ms. */
const PROMPT_WAIT_MS_MAX = 3_000;
/** Budgets of an ask in which a copy is verified. */
const VERIFY_BUDGETS = 4;

/**
 * @returns Whether the copy is verified; false where it is wanted no more.
 * @throws {Error} The copy failed, with its reason.
 */
export async function verifyCopy(
  copy: ActorRef<ShardCopyMessage>,
  { clock, pauses, isWanted, beginFreeze, budgetMs }: CopyWait,
): Promise<boolean> {
  let promptLooks = 0;
  let readyAtMs: number | undefined;
  while (isWanted()) {
    const beganMs = clock.monotonicMs();
    const { state, behindRows, reason } = await copy.ask({ kind: "getCopyProgress" }, { budgetMs });
    if (state === "failed") throw new Error(reason);
    if (state === "following" && behindRows <= BEHIND_ROWS_MAX) {
      readyAtMs ??= beganMs;
      if (promptLooks >= PROMPT_LOOKS || beganMs - readyAtMs >= PROMPT_WAIT_MS_MAX) {
        if (beginFreeze()) {
          await copy.ask({ kind: "verifyCopy" }, { budgetMs: VERIFY_BUDGETS * budgetMs });
          return true;
        }
        promptLooks = 0;
      }
    }
    await pauses.pause(LOOK_MS);
    promptLooks = clock.monotonicMs() - beganMs <= PROMPT_MS_MAX ? promptLooks + 1 : 0;
  }
  return false;
}
