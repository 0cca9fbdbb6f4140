/**
 * Erases users: drops the profile and the gateway's memory, appends the erasure to the event log,
 * which all other parts read, and follows it until nothing holds the user.
 *
 * An erasure goes through the log twice. A ranking that is under way when it begins may be logged
 * behind the first record; when every such request has ended, a second record erases that too. Of
 * several erasures of one user that wait for it, the last one appends it for all of them.
 * Then the logs are released at intervals, until the records of before are trimmed and snapshots
 * of before are replaced.
 *
 * Everything that a restart needs is in the blob store, without the user's id: that is in the log
 * until its records are trimmed.
 */
import type { Timer } from "../../mesh/ports/clock.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import {
  type ErasureRequest,
  listErasures,
  progressOf,
  readErasureRequest,
  writeErasureRequest,
} from "../../records/erasure.ts";
import {
  areLearned,
  BUDGET_MS,
  type ErasureState,
  isForgotten,
  readState,
  readTrainers,
} from "./erasure_state.ts";
import { ErasureMetrics } from "./erasure_metrics.ts";
import { ErasureLog } from "./erasure_log.ts";
import { FirstRecords } from "./first_records.ts";
import { guardedBlobs } from "./guarded_blobs.ts";
import type { ErasureSources } from "./sources.ts";

/** Interval at which erasures under way are looked after, ms. */
const STEP_MS = 1_000;
/** Time after `gateway.deadline` in which a request in progress ends, ms. */
const ENDING_MS = 1_000;
/** A round of parameter sync that was under way, and one that began after a removal. */
const ROUNDS = 2;

/** An erasure that this gateway goes on with. */
interface Following {
  request: ErasureRequest;
  /** The user; undefined after a restart, until it is read from the log. */
  user: string | undefined;
  /** Monotonic time from which every request of before the erasure has ended, ms. */
  readonly passesAgainFromMs: number;
  /** Complete rounds of sync when the trainers had removed the rows. */
  roundsBefore: number | undefined;
  /** Monotonic time at which logs and snapshots were looked through last, ms. */
  lookedAtMs: number;
  isOverdue: boolean;
  /** Whether the user is unknown for good, so that there is no second pass. */
  isLost: boolean;
}

export class Erasures {
  readonly #sources: ErasureSources;
  readonly #log: ErasureLog;
  readonly #firstRecords: FirstRecords;
  readonly #following = new Map<string, Following>();
  /** Offsets of the first records whose receipts are being written. */
  readonly #beginning = new Set<readonly number[]>();
  readonly #metrics: ErasureMetrics;
  #timer: Timer | undefined;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(sources: ErasureSources) {
    this.#sources = { ...sources, blobs: guardedBlobs(sources.blobs) };
    this.#log = new ErasureLog(this.#sources);
    this.#firstRecords = new FirstRecords(sources.eventLog);
    this.#metrics = new ErasureMetrics(sources.telemetry);
  }

  /** Names of the trainers, in the order of their parts in a state. */
  get trainers(): readonly string[] {
    return this.#sources.trainers;
  }

  /** Goes on with the erasures of before a restart. */
  async start(): Promise<void> {
    const { blobs, host } = this.#sources;
    for (const erasureId of await listErasures(blobs)) {
      const request = await readErasureRequest(blobs, erasureId);
      if (request === undefined || request.completedAtMs !== undefined) continue;
      if (request.host !== host) continue;
      this.#follow(request, undefined);
    }
    this.#stepLater();
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#step;
  }

  /**
   * Begins to erase a user. When it resolves, the profile is deleted and the erasure is durable.
   *
   * A user whose erasure is unfinished is erased anew, under a receipt of its own: what came since
   * goes too. An earlier erasure that waits for its second pass then leaves the pass to this one.
   *
   * @throws {LogFullError | LogUnavailableError | ProfileStoreUnavailableError} Send it again.
   */
  async erase(user: string): Promise<ErasureState> {
    const { profiles, memory, activity, random, clock, host, options } = this.#sources;
    const { forgetElsewhere } = this.#sources;
    const erasureId = random.uuid();
    const requestedAtMs = clock.nowMs();
    const profileRemoved = await profiles.delete("user", user);
    const firstAt = await this.#log.forget(erasureId, 1, user);
    this.#beginning.add(firstAt);
    try {
      const rankingsForgotten = memory.forget(user);
      activity?.forget(user);
      await forgetElsewhere?.(user);
      const request: ErasureRequest = {
        erasureId,
        ...(host !== undefined && { host }),
        requestedAtMs,
        byMs: requestedAtMs + options.deadlineMs + options.erasure.retentionMs,
        profileRemoved,
        rankingsForgotten,
        firstAt,
      };
      await writeErasureRequest(this.#sources.blobs, request);
      this.#follow(request, user);
      return await readState(this.#sources, request);
    } finally {
      this.#beginning.delete(firstAt);
    }
  }

  /** The state of an erasure; undefined where there is none of this id. */
  async read(erasureId: string): Promise<ErasureState | undefined> {
    const request = await readErasureRequest(this.#sources.blobs, erasureId);
    return request && await readState(this.#sources, request);
  }

  #follow(request: ErasureRequest, user: string | undefined): void {
    const { clock, options } = this.#sources;
    const { erasureId } = request;
    this.#following.set(erasureId, {
      request,
      user,
      passesAgainFromMs: clock.monotonicMs() + options.deadlineMs + ENDING_MS,
      roundsBefore: undefined,
      lookedAtMs: -Infinity,
      isOverdue: false,
      isLost: false,
    });
  }

  #stepLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#sources.clock.schedule(STEP_MS, () => {
      this.#step = this.#stepAll().finally(() => this.#stepLater());
    });
  }

  /** A step that fails is tried again: an erasure repeats every part of it without harm. */
  async #stepAll(): Promise<void> {
    let releases = false;
    this.#dropFirstRecords();
    for (const following of [...this.#following.values()]) {
      if (this.#stopped) return;
      try {
        releases = await this.#goOn(following) || releases;
        await this.#warnIfOverdue(following);
      } catch (error) {
        const { erasureId } = following.request;
        this.#sources.telemetry.log("warn", `the erasure ${erasureId} waits: ${reasonOf(error)}`);
      }
    }
    const requests = [...this.#following.values()].map(({ request }) => request);
    this.#metrics.report(requests, this.#sources.clock.nowMs());
    if (!releases || this.#stopped) return;
    try {
      await this.#release();
    } catch (error) {
      this.#sources.telemetry.log("warn", `erasures wait for a log: ${reasonOf(error)}`);
    }
  }

  #dropFirstRecords(): void {
    const waiting = this.#waiting.map(({ request }) => request.firstAt[0]);
    if (waiting.length === 0) this.#firstRecords.clear();
    else this.#firstRecords.dropBefore(Math.min(...waiting));
  }

  /** Takes an erasure one step on; true if the logs are to be released for it. */
  async #goOn(following: Following): Promise<boolean> {
    const { clock, options } = this.#sources;
    const { request } = following;
    if (request.continuedBy !== undefined) {
      await this.#followLater(following, request.continuedBy);
      return false;
    }
    if (request.secondAt === undefined) {
      if (!following.isLost && clock.monotonicMs() >= following.passesAgainFromMs) {
        await this.#passAgain(following);
      }
      return false;
    }
    if (request.servedAtMs === undefined) {
      await this.#confirmServed(following);
      return false;
    }
    const nowMs = clock.monotonicMs();
    if (nowMs < following.lookedAtMs + options.erasure.releaseMs) return false;
    following.lookedAtMs = nowMs;
    const state = await readState(this.#sources, request);
    if (!isForgotten(state)) return false;
    if (state.holds.length === 0) {
      const { oldest: cleanFrom } = state;
      const completedAtMs = clock.nowMs();
      await this.#complete(following, {
        ...request,
        completedAtMs,
        ...(cleanFrom !== undefined && { cleanFrom }),
      });
      return false;
    }
    // A pinned snapshot stays as long as it is pinned; nothing else has to move for it.
    if (state.holds.every((hold) => hold.kind === "snapshot" && hold.pinned)) return false;
    return true;
  }

  /** Appends the second record, or leaves it to a later erasure of the same user. */
  async #passAgain(following: Following): Promise<void> {
    const { memory, activity, profiles, telemetry, forgetElsewhere } = this.#sources;
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
    const continuedBy = await this.#laterErasure(user, request);
    if (continuedBy !== undefined) {
      await this.#store(following, { ...request, continuedBy });
      following.user = undefined;
      return;
    }
    memory.forget(user);
    activity?.forget(user);
    await forgetElsewhere?.(user);
    await profiles.dropChanges?.();
    const secondAt = await this.#log.forget(erasureId, 2, user);
    await this.#store(following, { ...request, secondAt });
    following.user = undefined;
  }

  /** Id of the last erasure of the user that began after this one; undefined where none did. */
  async #laterErasure(user: string, { firstAt }: ErasureRequest): Promise<string | undefined> {
    await this.#firstRecords.readFrom(firstAt[0]);
    for (const erasureId of this.#firstRecords.after(user, firstAt[0])) {
      // An erasure that failed before its receipt was written has no second pass.
      const later = await readErasureRequest(this.#sources.blobs, erasureId);
      if (later !== undefined) return erasureId;
    }
    return undefined;
  }

  /** Completes an erasure when the one that continues it is complete. */
  async #followLater(following: Following, continuedBy: string): Promise<void> {
    const { request } = following;
    const later = await readErasureRequest(this.#sources.blobs, continuedBy);
    if (later === undefined) {
      // An operator has deleted the receipt of an erasure that could not be finished.
      const { continuedBy: _, ...alone } = request;
      await this.#store(following, alone);
    } else if (later.completedAtMs !== undefined) {
      await this.#complete(following, { ...request, ...progressOf(later) });
    }
  }

  async #complete(following: Following, request: ErasureRequest): Promise<void> {
    await this.#store(following, request);
    this.#following.delete(request.erasureId);
    this.#sources.telemetry.log("info", `the erasure ${request.erasureId} is complete`);
  }

  /** Notes that the replicas are without the rows, when sync has carried all removals. */
  async #confirmServed(following: Following): Promise<void> {
    const { parameterSync, clock } = this.#sources;
    const trainers = await readTrainers(this.#sources, following.request);
    if (!areLearned(trainers)) return;
    const { roundsComplete } = await parameterSync.ask(
      { kind: "getStatus" },
      { budgetMs: BUDGET_MS },
    );
    // A sync that restarts counts from 0.
    following.roundsBefore = Math.min(following.roundsBefore ?? Infinity, roundsComplete);
    if (roundsComplete < following.roundsBefore + ROUNDS) return;
    await this.#store(following, { ...following.request, servedAtMs: clock.nowMs() });
  }

  /** Lets all records so far be trimmed but those that a restart reads. */
  async #release(): Promise<void> {
    const saved = await this.#savedFrom();
    await this.#log.release(() => [
      ...saved,
      // A restart reads the user of an erasure from its first record.
      ...this.#beginning,
      ...this.#waiting.map(({ request }) => request.firstAt),
    ]);
  }

  /** The erasures whose second pass is to come. */
  get #waiting(): Following[] {
    return [...this.#following.values()].filter(({ request, isLost }) =>
      request.secondAt === undefined && request.continuedBy === undefined && !isLost
    );
  }

  /** By keeper and partition, the offset from which the keeper reads after a restart. */
  #savedFrom(): Promise<(readonly number[])[]> {
    const { keepers } = this.#sources;
    return Promise.all(keepers.map(async (keeper) => {
      return (await keeper.ask({ kind: "getStatus" }, { budgetMs: BUDGET_MS })).saved;
    }));
  }

  /** Says once of an erasure that is late which parts still hold the user. */
  async #warnIfOverdue(following: Following): Promise<void> {
    const { request } = following;
    const { erasureId, byMs } = request;
    const isLate = this.#following.has(erasureId) && this.#sources.clock.nowMs() >= byMs;
    if (!isLate || following.isOverdue) return;
    const { holds, trainers } = await readState(this.#sources, request);
    following.isOverdue = true;
    const waiting = this.#sources.trainers.filter((_, i) => trainers[i][1] === undefined);
    this.#sources.telemetry.log("warn", `the erasure ${erasureId} is overdue`, { holds, waiting });
  }

  async #store(following: Following, request: ErasureRequest): Promise<void> {
    await writeErasureRequest(this.#sources.blobs, request);
    following.request = request;
  }
}
