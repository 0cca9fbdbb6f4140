/**
 * Erases users: drops the profile and the gateway's memory, appends the erasure to the event log,
 * which all other parts read, and follows it until nothing holds the user.
 *
 * An erasure goes through the log twice. A ranking that is under way when it begins may be logged
 * behind the first record; when every such request has ended, a second record erases that too.
 * Then the logs are released at intervals, until the records of before are trimmed and snapshots
 * of before are replaced.
 *
 * Everything that a restart needs is in the blob store, without the user's id: that is in the log
 * until its records are trimmed.
 */
import type { Timer } from "../../mesh/ports/clock.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import {
  type ErasurePass,
  type ErasureRequest,
  listErasures,
  readErasureRequest,
  writeErasureRequest,
} from "../../records/erasure.ts";
import { decodeEvent, encodeEvent, type EventRecord } from "../../records/event_record.ts";
import {
  areLearned,
  BUDGET_MS,
  type ErasureState,
  isForgotten,
  readState,
  readTrainers,
} from "./erasure_state.ts";
import { ErasureMetrics } from "./erasure_metrics.ts";
import { guardedBlobs } from "./guarded_blobs.ts";
import { carryEvents } from "../memory/carried_events.ts";
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
  /** Complete rounds of sync when the trainers had removed the rows. */
  roundsBefore: number | undefined;
  /** When logs and snapshots were looked through last. */
  lookedAtMs: number;
  isOverdue: boolean;
  /** Whether the user is unknown for good, so that there is no second pass. */
  isLost: boolean;
}

export class Erasures {
  readonly #sources: ErasureSources;
  readonly #following = new Map<string, Following>();
  readonly #metrics: ErasureMetrics;
  #timer: Timer | undefined;
  #step: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(sources: ErasureSources) {
    this.#sources = { ...sources, blobs: guardedBlobs(sources.blobs) };
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
   * @throws {LogFullError | LogUnavailableError | ProfileStoreUnavailableError} Send it again: an
   * erasure that comes twice has no further effect.
   */
  async erase(user: string): Promise<ErasureState> {
    const { profiles, memory, activity, random, clock, host, options } = this.#sources;
    const { forgetElsewhere } = this.#sources;
    const erasureId = random.uuid();
    const requestedAtMs = clock.nowMs();
    const profileRemoved = await profiles.delete("user", user);
    const firstAt = await this.#append(this.#forget(erasureId, 1, user));
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
  }

  /** The state of an erasure; undefined where there is none of this id. */
  async read(erasureId: string): Promise<ErasureState | undefined> {
    const request = await readErasureRequest(this.#sources.blobs, erasureId);
    return request && await readState(this.#sources, request);
  }

  #follow(request: ErasureRequest, user: string | undefined): void {
    const { erasureId } = request;
    this.#following.set(erasureId, {
      request,
      user,
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

  /** Takes an erasure one step on; true if the logs are to be released for it. */
  async #goOn(following: Following): Promise<boolean> {
    const { clock, options, memory, activity, profiles, telemetry, forgetElsewhere } =
      this.#sources;
    const { request } = following;
    const { erasureId, requestedAtMs, secondAt } = request;
    const nowMs = clock.nowMs();
    if (secondAt === undefined) {
      if (following.isLost || nowMs < requestedAtMs + options.deadlineMs + ENDING_MS) return false;
      const user = following.user ??= await this.#readUser(request);
      if (user === undefined) {
        following.isLost = true;
        telemetry.log(
          "error",
          `the erasure ${erasureId} cannot be finished: its record was trimmed before the second ` +
            "pass, and nothing else has the user's id. Erase the user again.",
        );
        return false;
      }
      memory.forget(user);
      activity?.forget(user);
      await forgetElsewhere?.(user);
      await profiles.dropChanges?.();
      const secondAt = await this.#append(this.#forget(erasureId, 2, user));
      await this.#store(following, { ...request, secondAt });
      following.user = undefined;
      return false;
    }
    if (request.servedAtMs === undefined) {
      await this.#confirmServed(following);
      return false;
    }
    if (nowMs < following.lookedAtMs + options.erasure.releaseMs) return false;
    following.lookedAtMs = nowMs;
    const state = await readState(this.#sources, request);
    if (!isForgotten(state)) return false;
    if (state.holds.length === 0) {
      const { oldest: cleanFrom } = state;
      await this.#store(following, {
        ...request,
        completedAtMs: nowMs,
        ...(cleanFrom !== undefined && { cleanFrom }),
      });
      this.#following.delete(erasureId);
      telemetry.log("info", `the erasure ${erasureId} is complete`);
      return false;
    }
    // A pinned snapshot stays as long as it is pinned; nothing else has to move for it.
    if (state.holds.every((hold) => hold.kind === "snapshot" && hold.pinned)) return false;
    return true;
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

  /** Lets all records so far be trimmed, and gives the next snapshot a new cut. */
  async #release(): Promise<void> {
    const { eventLog, memory, clock } = this.#sources;
    const saved = await this.#savedFrom();
    for (let partition = 0; partition < eventLog.partitions; partition++) {
      await eventLog.roll?.(partition);
    }
    // A log that appends once remembers the event ids itself.
    const carried = eventLog.appendOnce === undefined
      ? [await carryEvents(memory, this.#sources)]
      : [];
    // A restart reads the user of an erasure from its first record.
    const unfinished = [...this.#following.values()]
      .filter(({ request, isLost }) => request.secondAt === undefined && !isLost)
      .map(({ request }) => request.firstAt);
    const retainedFrom = lowest([...saved, ...carried, ...unfinished]);
    const acceptedAtMs = memory.acceptanceClock.nextMs();
    await this.#append({
      kind: "release",
      ...(retainedFrom.length > 0 && { retainedFrom }),
      atMs: clock.nowMs(),
      acceptedAtMs,
    });
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

  /** The user of an erasure, from its record; undefined where that is trimmed. */
  async #readUser({ erasureId, firstAt }: ErasureRequest): Promise<string | undefined> {
    const { eventLog } = this.#sources;
    const [record] = await eventLog.read(0, firstAt[0], 1);
    if (record === undefined || record.offset !== firstAt[0]) return undefined;
    const forget = decodeEvent(record.bytes);
    return forget.kind === "forget" && forget.erasureId === erasureId ? forget.user : undefined;
  }

  #forget(erasureId: string, pass: ErasurePass, user: string): EventRecord {
    const { clock, memory } = this.#sources;
    const acceptedAtMs = memory.acceptanceClock.nextMs();
    return { kind: "forget", erasureId, pass, user, atMs: clock.nowMs(), acceptedAtMs };
  }

  /** Appends a record to every partition; resolves with its offsets. */
  async #append(record: EventRecord): Promise<number[]> {
    const { eventLog } = this.#sources;
    const bytes = encodeEvent(record);
    const offsets: number[] = [];
    for (let partition = 0; partition < eventLog.partitions; partition++) {
      offsets.push(await eventLog.append(partition, [bytes]));
    }
    return offsets;
  }
}

/** By partition, the lowest of several offsets; empty where there are none. */
function lowest(offsets: readonly (readonly number[])[]): number[] {
  return (offsets[0] ?? []).map((_, partition) =>
    Math.min(...offsets.map((each) => each[partition]))
  );
}
