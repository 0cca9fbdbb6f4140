/**
 * Joins actions with impressions. Clicks arrive minutes after impressions, so the join window holds
 * each impression for `windowMs`: an item becomes a negative only if no action came in time, and an
 * example carries the features that were served.
 *
 * The window is a function of the event log: time is the data clock (the newest event time seen,
 * never going back), and sampling is keyed. A joiner that reads the same records again decides the
 * same again, which makes its output exactly-once (see {@link replayPointOf}). The one
 * exception is {@link JoinWindow.closeEarly}, which its caller may invoke at any moment and which
 * closes only the oldest impressions.
 *
 * A held impression is open while one of its rows is undecided. Its window closes, or a final
 * action comes for every row: then it is decided, and stays held for late labels. It is dropped
 * when no label is awaited any more, or when its room is needed.
 */
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type {
  ActionRecord,
  EventRecord,
  ForgetRecord,
  ImpressionRecord,
  ShownRecord,
} from "../../records/event_record.ts";
import type { EarlyAction } from "../../records/joiner_position.ts";
import { DataClock } from "./data_clock.ts";
import { EarlyActions } from "./early_actions.ts";
import type { JoinerOptions } from "./options.ts";
import { type HeldImpression, type HeldImpressions, impressionBytes } from "./held_impressions.ts";
import { type ReplayPoint, replayPointOf } from "./replay_point.ts";
import { type CarriedImpression, RowDecisions } from "./row_decisions.ts";
import { type ExampleOutput, type JoinCounts, RowExamples } from "./row_examples.ts";
import { BEGINNING, type WindowStart } from "./window_start.ts";

export class JoinWindow {
  readonly #options: JoinerOptions;
  readonly #rowExamples: RowExamples;
  readonly #decisions: RowDecisions;
  readonly #held: HeldImpressions;
  readonly #early: EarlyActions;
  /**
   * Records before this offset were joined before the restart and are read again, to rebuild the
   * window. Everything that they closed is decided, so nothing else closes before it.
   */
  readonly #rereadBefore: number;
  /** Impressions whose own record lies before this offset were decided before the restart. */
  readonly #openFrom: number;
  readonly #clock: DataClock;
  /** Records before this offset were accepted. */
  #acceptedBefore = 0;
  /** Acceptance time of the newest action or mark, ms. */
  #acceptedAtMs = 0;

  constructor(options: JoinerOptions, start: WindowStart = BEGINNING) {
    this.#options = options;
    this.#rereadBefore = start.rereadBefore;
    this.#openFrom = start.openFrom;
    this.#clock = new DataClock(options.clockSkewMsMax, start);
    this.#rowExamples = new RowExamples(options, start.positives);
    this.#decisions = new RowDecisions(options, this.#clock, this.#rowExamples);
    this.#held = this.#decisions.held;
    this.#early = new EarlyActions(start.early);
  }

  get counts(): JoinCounts {
    return this.#rowExamples.counts;
  }

  /** Open impressions, which wait for their window to close. */
  get impressionsOpen(): number {
    return this.#held.undecided;
  }

  /** Open impressions, and decided ones that wait for late labels. */
  get impressionsHeld(): number {
    return this.#held.size;
  }

  /** Sum of the sizes of the held impressions, bytes: a function of the log. */
  get heldBytes(): number {
    return this.#held.bytes + this.#decisions.actionBytes;
  }

  /** Memory taken for the held impressions, bytes: at most about 2 · {@link heldBytes} + 8 MiB. */
  get memoryBytes(): number {
    return this.#held.memoryBytes + this.#decisions.actionBytes;
  }

  /** Newest data time seen, ms. */
  get clockMs(): number {
    return this.#clock.nowMs;
  }

  /** Where a restart reads again from, after the records before `eventOffset`. */
  replayPoint(eventOffset: number): ReplayPoint {
    return replayPointOf(eventOffset, {
      held: this.#held,
      clockMs: this.#clock.nowMs,
      positives: this.#rowExamples.late.positives,
      early: this.#early.moment,
    });
  }

  /** Moves the data clock to a record's time, see {@link DataClock.observe}. */
  observe(record: EventRecord, offset: number): void {
    this.#clock.observe(record, offset);
    this.#rowExamples.beginRecord(this.#isReread(offset));
  }

  /**
   * The held impressions when every record has been read again, to be carried to other windows;
   * this one is not used any more.
   */
  carried(): Iterable<CarriedImpression> {
    for (;;) {
      const { oldestUndecided } = this.#held;
      if (oldestUndecided === undefined || !this.#wasDecided(oldestUndecided)) break;
      this.#decisions.decide(oldestUndecided);
    }
    return this.#decisions.carried();
  }

  /** The actions that wait for their ranking. */
  get waiting(): readonly EarlyAction[] {
    const held = this.#early.moment?.actions() ?? [];
    return held.filter(({ rankingOffset }) => rankingOffset === undefined);
  }

  /** Holds a carried impression, before the first record is observed. */
  hold(impression: CarriedImpression): void {
    this.#decisions.hold(impression);
  }

  /** Whether the record was joined before the restart, and is read to rebuild the window. */
  #isReread(offset: number): boolean {
    return offset < this.#rereadBefore;
  }

  /**
   * Closes one impression, the oldest, if the record at `offset` needs it: its window is over, or
   * the record needs its room. False if nothing is left to close before the record is accepted.
   */
  closeNext(record: EventRecord, offset: number, out: ExampleOutput): boolean {
    const { oldestUndecided, size, undecided } = this.#held;
    if (size === 0) return false;
    if (this.#isReread(offset)) return this.#closeDecided(oldestUndecided, out);
    if (oldestUndecided !== undefined) {
      if (this.#wasDecided(oldestUndecided)) {
        // Its examples are in the log.
        this.#decisions.decide(oldestUndecided);
        return true;
      }
      if (this.#isOver(oldestUndecided)) {
        this.#rowExamples.count("impressionsClosed");
        this.#decisions.close(oldestUndecided, out);
        return true;
      }
    }
    const oldest = undecided < size ? this.#held.oldest : undefined;
    if (oldest?.isDecided && this.#ageOf(oldest) >= this.#rowExamples.late.lateMsMax) {
      this.#decisions.drop(oldest);
      return true;
    }
    const impression = record.kind === "impression" ? record : undefined;
    if (this.#hasRoom(impression)) return false;
    // A ranking that replaces a held one frees room when it is accepted.
    if (impression !== undefined && this.#find(impression) !== undefined) return false;
    return this.closeEarly(offset, out);
  }

  /**
   * Closes an impression, while records are read again, if it was decided before the restart: later
   * actions on it are late. Its examples are in the log, and `out` takes none.
   */
  #closeDecided(impression: HeldImpression | undefined, out: ExampleOutput): boolean {
    if (impression === undefined || !this.#wasDecided(impression)) return false;
    if (!this.#isOver(impression)) return false;
    this.#decisions.close(impression, out);
    return true;
  }

  /** Whether an impression was decided before the joiner restarted. */
  #wasDecided({ offset }: HeldImpression): boolean {
    return offset < this.#openFrom;
  }

  #isOver(impression: HeldImpression): boolean {
    return this.#ageOf(impression) >= this.#options.windowMs;
  }

  /** Whether the held impressions, and the new one, are within the bounds. */
  #hasRoom(more: ImpressionRecord | undefined): boolean {
    const { impressionsMax, impressionsBytesMax } = this.#options;
    const impressions = this.#held.size + (more === undefined ? 0 : 1);
    const bytes = more === undefined ? 0 : impressionBytes(more.shown.byteLength);
    if (impressions > impressionsMax) return false;
    // A single impression may exceed the bytes by itself.
    return this.heldBytes + bytes <= impressionsBytesMax || impressions <= 1;
  }

  #ageOf({ openedAtMs }: HeldImpression): number {
    return this.#clock.nowMs - openedAtMs;
  }

  #find({ rankingId }: ImpressionRecord): HeldImpression | undefined {
    return this.#held.find(fingerprintOf(rankingId));
  }

  /**
   * Closes the oldest impression, whatever its window, if its record lies before `before`;
   * false if it does not.
   *
   * The moment of the call need not be a function of the log: the replay point, which is written
   * with the examples, shows after a restart that the impression was closed.
   */
  closeEarly(before: number, out: ExampleOutput): boolean {
    const { oldest } = this.#held;
    if (oldest === undefined || oldest.offset >= before) return false;
    this.#rowExamples.beginRecord(false);
    this.#rowExamples.count("impressionsClosedEarly");
    if (!oldest.isDecided) this.#decisions.close(oldest, out);
    const decided = this.#held.find(oldest.fingerprint);
    if (decided !== undefined) this.#decisions.drop(decided);
    return true;
  }

  /**
   * Takes in a record that was {@link observe}d, after {@link closeNext} has no more to close.
   *
   * @param offset The record's offset in the event log.
   */
  accept(record: EventRecord, offset: number, out: ExampleOutput): void {
    invariant(offset >= this.#acceptedBefore, "records are accepted in the order of the log");
    this.#acceptedBefore = offset + 1;
    if (this.#clock.isAhead(record, offset)) this.#rowExamples.count("eventsAheadOfTime");
    if (record.kind === "action" || record.kind === "mark" || record.kind === "release") {
      this.#acceptedAtMs = Math.max(this.#acceptedAtMs, record.acceptedAtMs);
    }
    if (!this.#isReread(offset)) {
      this.#early.release(this.#acceptedAtMs, this.#held.oldestOffset);
    }
    switch (record.kind) {
      case "impression":
        return this.#acceptImpression(record, offset, out);
      case "shown":
        return this.#acceptShown(record);
      case "action":
        return this.#acceptAction(record, offset, out);
      case "forget":
        return this.#acceptForget(record);
      case "release":
      case "remembered":
      case "mark":
        return;
      default:
        record satisfies never;
    }
  }

  /** Drops the held rankings of an erased user, without examples; later actions are late. */
  #acceptForget({ user }: ForgetRecord): void {
    for (const fingerprint of this.#held.ofUser(fingerprintOf(user))) {
      this.#decisions.drop(present(this.#held.find(fingerprint), "a ranking of the user is held"));
      this.#rowExamples.count("impressionsErased");
    }
  }

  /**
   * A ranking that comes again under the id of a held one replaces it: the client asked again
   * because it never saw the first answer. The first one is dropped, unless an action or a report
   * came for it: then it was seen, and is closed.
   *
   * Keeping the first one instead would not survive a restart: once decided it is unknown, and the
   * second one would be opened.
   */
  #acceptImpression(record: ImpressionRecord, offset: number, out: ExampleOutput): void {
    const fingerprint = fingerprintOf(record.rankingId);
    const earlier = this.#held.find(fingerprint);
    if (earlier !== undefined) {
      this.#rowExamples.count("impressionsDuplicate");
      if (this.#decisions.isSeen(earlier) && !earlier.isDecided) {
        this.#decisions.close(earlier, out);
      }
      const decided = this.#held.find(fingerprint);
      if (decided !== undefined) this.#decisions.remove(decided);
    }
    if (!this.#isReread(offset)) {
      while (!this.#hasRoom(record) && this.closeEarly(offset, out));
    }
    const samplingKey = this.#rowExamples.sampling.keyOf(record.rankingId);
    const { atMs, logSampleRate = 0, awaitsShown = false } = record;
    const openedAtMs = this.#clock.nowMs;
    const user = fingerprintOf(record.user);
    this.#held.add(
      { fingerprint, user, samplingKey, atMs, openedAtMs, offset, logSampleRate, awaitsShown },
      record.shown,
    );
    this.#rowExamples.traces.add(offset, record.trace);
    const early = this.#isReread(offset)
      ? this.#early.matchedAt(offset)
      : this.#early.match(record, offset);
    for (const action of early) {
      this.#rowExamples.count("actionsEarly");
      this.#judge(action, out);
    }
    for (let missed = this.#early.missed(record); missed > 0; missed--) {
      this.#rowExamples.count("actionsMissed");
    }
  }

  /**
   * Marks the rows of reported items. Marks are never taken back, so that a report that comes twice
   * or in another order changes nothing.
   */
  #acceptShown({ rankingId, items }: ShownRecord): void {
    const fingerprint = fingerprintOf(rankingId);
    const impression = this.#held.find(fingerprint);
    if (impression === undefined || impression.isDecided) {
      const isLate = impression !== undefined || this.#decisions.wasDropped(fingerprint);
      this.#rowExamples.count(isLate ? "reportsLate" : "reportsUnmatched");
      return;
    }
    this.#decisions.report(impression, items);
    this.#rowExamples.count("reportsMatched");
  }

  /**
   * Judges an action, or holds it: its ranking may still come. A late one is held too, because a
   * joiner that has restarted does not know which rankings were dropped.
   */
  #acceptAction(record: ActionRecord, offset: number, out: ExampleOutput): void {
    if (this.#judge(record, out) || this.#isReread(offset)) return;
    this.#early.hold(record);
  }

  /** Gives an action's label to its row. False if its ranking is not held. */
  #judge(record: EarlyAction, out: ExampleOutput): boolean {
    const fingerprint = fingerprintOf(record.rankingId);
    const impression = this.#held.find(fingerprint);
    if (impression !== undefined) {
      this.#decisions.label(impression, record, out);
      return true;
    }
    const isLate = this.#decisions.wasDropped(fingerprint);
    this.#rowExamples.count(isLate ? "actionsLate" : "actionsUnmatched");
    return false;
  }
}
