/**
 * The steps of an erasure after its first record.
 *
 *     first record ─▶ second record ─▶ served without the rows ─▶ in no log or snapshot: complete
 *           │                                                              ▲
 *           └─▶ continued by a later erasure of the same user ─────────────┘
 *
 * A step that fails is tried again: an erasure repeats every part of it without harm.
 */
import {
  deleteUnfinishedOf,
  type ErasureRequest,
  progressOf,
  readErasureRequest,
  writeErasureRequest,
} from "../../records/erasure.ts";
import { deleteCheckpointsFrom } from "../../records/keeper_checkpoints.ts";
import { present } from "../../structures/invariant.ts";
import type { ErasureLog } from "./erasure_log.ts";
import { areLearned, BUDGET_MS, isForgotten, readState, readTrainers } from "./erasure_state.ts";
import type { FirstRecords } from "./first_records.ts";
import type { Following } from "./following.ts";
import { forgetUser } from "./forget_user.ts";
import type { ErasureParts } from "./erasure_parts.ts";

/**
 * Rounds of a row feed. At a removal the first may have been under way, and the rows of the second
 * too; the third may bring a delta that was made before, for another host. The fourth does not.
 */
const ROUNDS = 4;

/**
 * `learned`: the trainers have removed the rows, and serving is to be looked at. `releases`: the
 * logs are to be released for the erasure.
 */
export type StepOutcome = "waits" | "learned" | "releases" | "complete";

export class ErasureSteps {
  readonly #parts: ErasureParts;
  readonly #log: ErasureLog;
  readonly #firstRecords: FirstRecords;

  constructor(parts: ErasureParts, log: ErasureLog, firstRecords: FirstRecords) {
    this.#parts = parts;
    this.#log = log;
    this.#firstRecords = firstRecords;
  }

  /** Takes an erasure one step on. */
  async take(following: Following): Promise<StepOutcome> {
    const { clock, options } = this.#parts;
    const { request } = following;
    if (request.continuedBy !== undefined) {
      return await this.#followLater(following, request.continuedBy);
    }
    if (request.secondAt === undefined) {
      if (!following.isLost && clock.monotonicMs() >= following.passesAgainFromMs) {
        await this.#passAgain(following);
      }
      return "waits";
    }
    if (request.servedAtMs === undefined) {
      return areLearned(await readTrainers(this.#parts, request)) ? "learned" : "waits";
    }
    const nowMs = clock.monotonicMs();
    if (nowMs < following.lookedAtMs + options.erasure.releaseMs) return "waits";
    following.lookedAtMs = nowMs;
    const state = await readState(this.#parts, request);
    if (!isForgotten(state)) return "waits";
    if (state.holds.length === 0) {
      const { oldest: cleanFrom } = state;
      await deleteUnfinishedOf(this.#parts.blobs, request.erasureId);
      const completedAtMs = clock.nowMs();
      return await this.#complete(following, {
        ...request,
        completedAtMs,
        ...(cleanFrom !== undefined && { cleanFrom }),
      });
    }
    // A pinned snapshot stays as long as it is pinned; nothing else has to move for it.
    if (state.holds.every((hold) => hold.kind === "snapshot" && hold.pinned)) return "waits";
    return "releases";
  }

  /** Appends the second record, or leaves it to a later erasure of the same user. */
  async #passAgain(following: Following): Promise<void> {
    const { memory, activity, profiles, telemetry, forgetElsewhere } = this.#parts;
    const { request } = following;
    const { erasureId } = request;
    const user = following.user ??= await this.#log.readUser(request);
    if (user === undefined) {
      following.isLost = true;
      telemetry.log(
        "error",
        `the erasure ${erasureId} cannot be finished: its record was trimmed before the second ` +
          "pass, and nothing else has the user's id. Erase the user again.",
      );
      return;
    }
    forgetUser(user, memory, activity);
    await forgetElsewhere?.(user);
    await profiles.dropChanges?.();
    // Last: while this host stood still, another one may have taken the erasure over.
    const continuedBy = await this.laterErasure(user, request);
    if (continuedBy !== undefined) {
      await this.#store(following, { ...request, continuedBy });
      following.user = undefined;
      return;
    }
    const secondAt = await this.#log.forget(erasureId, 2, user);
    await this.#store(following, { ...request, secondAt });
    following.user = undefined;
  }

  /** Id of the last erasure of the user that began after this one; undefined where none did. */
  async laterErasure(user: string, request: ErasureRequest): Promise<string | undefined> {
    const offset = this.#firstRecords.offsetOf(request);
    await this.#firstRecords.readFrom(Math.max(0, offset));
    for (const erasureId of this.#firstRecords.after(user, offset)) {
      // An erasure that failed before its receipt was written has no second pass.
      const later = await readErasureRequest(this.#parts.blobs, erasureId);
      if (later !== undefined) return erasureId;
    }
    return undefined;
  }

  /** Completes an erasure when the one that continues it is complete. */
  async #followLater(following: Following, continuedBy: string): Promise<StepOutcome> {
    const { request } = following;
    const later = await readErasureRequest(this.#parts.blobs, continuedBy);
    if (later === undefined) {
      // An operator has deleted the receipt of an erasure that could not be finished.
      const { continuedBy: _, ...alone } = request;
      await this.#store(following, alone);
      return "waits";
    }
    if (later.completedAtMs === undefined) return "waits";
    return await this.#complete(following, { ...request, ...progressOf(later) });
  }

  async #complete(following: Following, request: ErasureRequest): Promise<StepOutcome> {
    await this.#store(following, request);
    this.#parts.telemetry.log("info", `the erasure ${request.erasureId} is complete`);
    return "complete";
  }

  /**
   * Notes of erasures whose rows the trainers have removed that the replicas are without them, when
   * every feed has carried all removals and the replicas before a change of shards have ended. The
   * feeds are asked once for all, after the trainers: a slow serving host holds up one step.
   *
   * @returns The hosts whose feeds have not carried all removals yet.
   * @throws {Error} A host holds the erasures up; the message names it.
   */
  async confirmServed(learned: readonly Following[]): Promise<readonly string[]> {
    if (learned.length === 0) return [];
    const { clock, blobs, keepers, withEarlierReplicas } = this.#parts;
    const rounds = await this.#roundsComplete();
    const behind = new Map(learned.map((each) => [each, hostsBehind(each, rounds)]));
    const behindOfAny = [...new Set([...behind.values()].flat())];
    const served = learned.filter((each) => behind.get(each)?.length === 0);
    if (served.length === 0) return behindOfAny;
    // Where a host runs another number of keepers, some of these do not answer.
    await Promise.all(
      keepers.map((keeper) => keeper.ask({ kind: "getStatus" }, { budgetMs: BUDGET_MS })),
    );
    await deleteCheckpointsFrom(blobs, keepers.length);
    const late = await withEarlierReplicas?.() ?? [];
    if (late.length > 0) {
      throw new Error(`replicas of the former shards may be left on ${late.join(", ")}`);
    }
    // A receipt may be stored much later, where its host stands still or the store is slow.
    const servedAtMs = clock.nowMs();
    for (const following of served) {
      await this.#store(following, { ...following.request, servedAtMs });
    }
    return behindOfAny;
  }

  /** Complete rounds of the row feeds, by host. */
  async #roundsComplete(): Promise<Map<string, number>> {
    const feeds = await this.#parts.rowFeeds();
    const rounds = await Promise.all(Array.from(feeds, async ([host, feed]) => {
      const status = await feed.ask({ kind: "getStatus" }, { budgetMs: BUDGET_MS });
      return [host, status.roundsComplete] as const;
    }));
    return new Map(rounds);
  }

  async #store(following: Following, request: ErasureRequest): Promise<void> {
    await writeErasureRequest(this.#parts.blobs, request);
    following.request = request;
  }
}

/** The hosts whose feeds have not done enough rounds since the trainers had removed the rows. */
function hostsBehind(following: Following, rounds: ReadonlyMap<string, number>): string[] {
  const before = following.roundsBefore;
  following.roundsBefore = new Map(
    // A feed that restarts counts from 0.
    Array.from(rounds, ([host, done]) => [host, Math.min(before.get(host) ?? done, done)]),
  );
  return Array.from(following.roundsBefore).filter(([host, from]) =>
    present(rounds.get(host), "the host is of both") < from + ROUNDS
  ).map(([host]) => host);
}
