/**
 * Erases users: drops the profile and the gateway's memory, appends the erasure to the event log,
 * which all other parts read, and follows it until nothing holds the user.
 *
 * An erasure goes through the log twice. A ranking that is under way when it begins may be logged
 * behind the first record; when every such request has ended, and no gateway tries to append what
 * it made, a second record erases that too. Of several erasures of one user that wait for it, the
 * last one appends it for all of them. Then the logs are released at intervals, until the earlier
 * records are trimmed and the earlier snapshots replaced.
 *
 * Everything that a restart needs is in the blob store, without the user's id: that is in the log
 * until its records are trimmed.
 */
import type { Timer } from "../../mesh/ports/clock.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import {
  type ErasureRequest,
  listErasures,
  readErasureRequest,
  writeErasureRequest,
} from "../../records/erasure.ts";
import { BUDGET_MS, type ErasureState, readState } from "./erasure_state.ts";
import { AbandonedErasures } from "./abandoned_erasures.ts";
import { ErasureMetrics } from "./erasure_metrics.ts";
import { ErasureLog } from "./erasure_log.ts";
import { ErasureSteps } from "./erasure_steps.ts";
import { FirstRecords } from "./first_records.ts";
import { awaitsSecondPass, betweenPassesMs, follow, type Following } from "./following.ts";
import { forgetUser } from "./forget_user.ts";
import { guardedBlobs } from "./guarded_blobs.ts";
import { ToldWaits } from "./told_waits.ts";
import type { ErasureParts } from "./erasure_parts.ts";

/** Interval at which erasures under way are looked after, ms. */
const STEP_MS = 1_000;

export class Erasures {
  readonly #parts: ErasureParts;
  readonly #log: ErasureLog;
  readonly #firstRecords: FirstRecords;
  readonly #steps: ErasureSteps;
  readonly #abandoned: AbandonedErasures;
  readonly #following = new Map<string, Following>();
  /** Offsets of the first records whose receipts are being written. */
  readonly #beginning = new Set<readonly number[]>();
  readonly #metrics: ErasureMetrics;
  readonly #waits: ToldWaits;
  #timer: Timer | undefined;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Why the last look at serving did not confirm all; undefined = it did, or nothing waits. */
  #servedWait: string | undefined;
  /** Whether the unfinished erasures of before this start are followed. */
  #isResumed = false;

  constructor(parts: ErasureParts) {
    this.#parts = { ...parts, blobs: guardedBlobs(parts.blobs) };
    this.#log = new ErasureLog(this.#parts);
    this.#firstRecords = new FirstRecords(parts.eventLog);
    this.#steps = new ErasureSteps(this.#parts, this.#log, this.#firstRecords);
    this.#abandoned = new AbandonedErasures(this.#parts);
    this.#metrics = new ErasureMetrics(parts.telemetry);
    this.#waits = new ToldWaits(parts.telemetry);
  }

  /**
   * Continues the unfinished erasures of this host; the only process continues those of all. Where
   * the blob store is away, they wait for it.
   */
  async start(): Promise<void> {
    await this.#resume();
    this.#stepLater();
  }

  async #resume(): Promise<void> {
    const { blobs, host } = this.#parts;
    try {
      for (const erasureId of await listErasures(blobs)) {
        if (this.#following.has(erasureId)) continue;
        const request = await readErasureRequest(blobs, erasureId);
        if (request === undefined || request.completedAtMs !== undefined) continue;
        if (host !== undefined && request.host !== host) continue;
        this.#follow(request, undefined);
      }
      this.#isResumed = true;
    } catch (error) {
      const reason = reasonOf((error as Error).cause ?? error);
      this.#waits.tell("resumed", `erasures that began before this start wait: ${reason}`);
    }
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
   * A user whose erasure is unfinished is erased anew, under a receipt of its own: records that
   * came since go too. An earlier erasure that waits for its second pass then leaves the pass to
   * this one.
   *
   * @throws {LogFullError | LogUnavailableError | ProfileStoreUnavailableError} Send it again.
   */
  async erase(user: string): Promise<ErasureState> {
    const requestedAtMs = this.#parts.clock.nowMs();
    const profileRemoved = await this.#parts.profiles.delete("user", user);
    return await readState(this.#parts, await this.#begin(user, requestedAtMs, profileRemoved));
  }

  /** Appends the first record, and follows the erasure when its receipt is stored. */
  async #begin(
    user: string,
    requestedAtMs: number,
    profileRemoved: boolean,
  ): Promise<ErasureRequest> {
    const { memory, activity, random, host, options, forgetElsewhere } = this.#parts;
    const erasureId = random.uuid();
    const firstAt = await this.#log.forget(erasureId, 1, user);
    this.#beginning.add(firstAt);
    try {
      const rankingsForgotten = forgetUser(user, memory, activity);
      await forgetElsewhere?.(user);
      const request: ErasureRequest = {
        erasureId,
        ...(host !== undefined && { host }),
        requestedAtMs,
        byMs: requestedAtMs + betweenPassesMs(this.#parts) + options.erasure.retentionMs,
        profileRemoved,
        rankingsForgotten,
        firstAt,
      };
      await writeErasureRequest(this.#parts.blobs, request);
      this.#follow(request, user);
      return request;
    } finally {
      this.#beginning.delete(firstAt);
    }
  }

  /** The state of an erasure; undefined where there is none of this id. */
  async read(erasureId: string): Promise<ErasureState | undefined> {
    const request = await readErasureRequest(this.#parts.blobs, erasureId);
    return request && await readState(this.#parts, request);
  }

  #follow(request: ErasureRequest, user: string | undefined): void {
    this.#following.set(request.erasureId, follow(this.#parts, request, user));
  }

  #stepLater(): void {
    if (this.#stopped) return;
    this.#timer = this.#parts.clock.schedule(STEP_MS, () => {
      this.#step = this.#stepAll().finally(() => this.#stepLater());
    });
  }

  async #stepAll(): Promise<void> {
    let releases = false;
    const learned: Following[] = [];
    if (!this.#isResumed) await this.#resume();
    this.#dropFirstRecords();
    for (const following of [...this.#following.values()]) {
      if (this.#stopped) return;
      const { erasureId } = following.request;
      try {
        const outcome = await this.#steps.take(following);
        releases ||= outcome === "releases";
        if (outcome === "learned") learned.push(following);
        if (outcome === "complete") this.#following.delete(erasureId);
        else await this.#warnIfOverdue(following);
        // An outcome "waits" may come without an attempt.
        if (outcome !== "waits") this.#waits.end(erasureId);
      } catch (error) {
        this.#waits.tell(erasureId, `the erasure ${erasureId} waits: ${reasonOf(error)}`);
      }
    }
    if (this.#stopped) return;
    await this.#confirmServed(learned);
    await this.#takeOver();
    const requests = [...this.#following.values()].map(({ request }) => request);
    this.#metrics.report(requests, this.#parts.clock.nowMs());
    // An erasure that is not followed needs its first record.
    if (!releases || !this.#isResumed || this.#stopped) return;
    try {
      await this.#release();
      this.#waits.end("released");
    } catch (error) {
      this.#waits.tell("released", `erasures wait for a log: ${reasonOf(error)}`);
    }
  }

  async #confirmServed(learned: readonly Following[]): Promise<void> {
    try {
      const behind = await this.#steps.confirmServed(learned);
      this.#servedWait = behind.length > 0
        ? `rows are on their way to ${behind.join(", ")}`
        : undefined;
      this.#waits.end("served");
    } catch (error) {
      this.#servedWait = reasonOf(error);
      const [{ request: { erasureId } }, ...others] = learned;
      const which = others.length === 0 ? erasureId : `${erasureId} and ${others.length} more`;
      this.#waits.tell("served", `the erasure ${which} waits: ${this.#servedWait}`);
    }
  }

  /** Goes on with the erasures whose hosts are gone. */
  async #takeOver(): Promise<void> {
    try {
      const abandoned = await this.#abandoned.look();
      if (abandoned === undefined) return;
      for (const request of abandoned) {
        if (this.#stopped) return;
        await this.#adopt(request);
        const from = request.host ?? "the single process that ran before the mesh";
        const taken = `the erasure ${request.erasureId} was taken over from ${from}`;
        this.#parts.telemetry.log("info", taken);
      }
      this.#waits.end("taken over");
    } catch (error) {
      this.#waits.tell("taken over", `erasures of other hosts wait: ${reasonOf(error)}`);
    }
  }

  /**
   * Follows an erasure in place of its host. One that waits for its second pass is begun anew, and
   * continued by that: its host may be back and append the second record at any time.
   */
  async #adopt(request: ErasureRequest): Promise<void> {
    const { host, clock } = this.#parts;
    const adopted = { ...request, ...(host !== undefined && { host }) };
    const user = awaitsSecondPass(request) ? await this.#log.readUser(request) : undefined;
    const continuedBy = user === undefined
      ? undefined
      : await this.#steps.laterErasure(user, request) ??
        (await this.#begin(user, clock.nowMs(), false)).erasureId;
    const next = { ...adopted, ...(continuedBy !== undefined && { continuedBy }) };
    await writeErasureRequest(this.#parts.blobs, next);
    this.#follow(next, undefined);
  }

  #dropFirstRecords(): void {
    const waiting = this.#waiting.map(({ request }) => this.#firstRecords.offsetOf(request));
    if (waiting.length === 0) this.#firstRecords.clear();
    else this.#firstRecords.dropBefore(Math.min(...waiting));
  }

  /** Lets all records so far be trimmed but those that a restart reads. */
  async #release(): Promise<void> {
    await this.#log.release(async () => [
      ...await this.#savedFrom(),
      // A restart reads the user of an erasure from its first record.
      ...await this.#othersWaiting(),
      ...this.#beginning,
      ...this.#waiting.map(({ request }) => request.firstAt),
    ]);
  }

  /** Offsets of the first records that a gateway reads which goes on with others' erasures. */
  async #othersWaiting(): Promise<(readonly number[])[]> {
    if (this.#parts.hostsServing === undefined) return [];
    const waiting: (readonly number[])[] = [];
    for (const request of await this.#abandoned.others()) {
      if (!awaitsSecondPass(request)) continue;
      if (await this.#log.readUser(request) !== undefined) waiting.push(request.firstAt);
    }
    return waiting;
  }

  /** The erasures whose second pass is to come. */
  get #waiting(): Following[] {
    return [...this.#following.values()].filter(({ request, isLost }) =>
      awaitsSecondPass(request) && !isLost
    );
  }

  /** By keeper and partition, the offset from which the keeper reads after a restart. */
  #savedFrom(): Promise<(readonly number[])[]> {
    const { keepers } = this.#parts;
    return Promise.all(keepers.map(async (keeper) => {
      return (await keeper.ask({ kind: "getStatus" }, { budgetMs: BUDGET_MS })).saved;
    }));
  }

  /** Says once of an erasure that is late which parts still hold the user. */
  async #warnIfOverdue(following: Following): Promise<void> {
    const { request } = following;
    const { erasureId, byMs } = request;
    if (following.isOverdue || this.#parts.clock.nowMs() < byMs) return;
    const { holds, sources, trainers } = await readState(this.#parts, request);
    following.isOverdue = true;
    const waiting = sources.filter((_, i) => trainers[i][1] === undefined);
    const serving = request.servedAtMs === undefined && this.#servedWait;
    this.#parts.telemetry.log("warn", `the erasure ${erasureId} is overdue`, {
      ...{ holds, waiting },
      ...(serving && { serving }),
    });
  }
}
