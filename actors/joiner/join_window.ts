/**
 * Clicks arrive minutes after impressions. This window holds what was shown for `windowMs`, so that an item becomes
 * a negative only when nobody acted on it in time, and an example carries the features that were served.
 *
 * All that happens here is a function of the event log: time is the data clock (the newest event time seen, which
 * never goes back), and sampling is keyed. A joiner that reads the same records again decides the same again,
 * which is what makes its output exactly-once (see {@link JoinWindow.resumePoint}). {@link JoinWindow.closeEarly}
 * alone comes from outside, and takes the oldest only.
 */
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { FingerprintMap } from "../../structures/fingerprint_map.ts";
import { ShownRowsReader } from "../../records/impression_rows.ts";
import type { ActionRecord, EventRecord, ImpressionRecord } from "../../records/event_record.ts";
import type { ExampleChunkBuilder } from "./example_chunks.ts";
import type { JoinerOptions } from "./options.ts";
import { LabelRules } from "./label_rules.ts";
import { NegativeSampling } from "./negative_sampling.ts";
import {
  impressionBytes,
  type ImpressionHeader,
  type OpenImpression,
  OpenImpressions,
} from "./open_impressions.ts";
import type { RecordAddress } from "../../structures/record_store.ts";

/** Where the examples of an impression go; undefined where they were written before a restart. */
export type ExampleOutput = (impression: ImpressionHeader) => ExampleChunkBuilder | undefined;

/** What actions have made of an open impression; most never have any. */
interface Acted {
  /** One per (row, task): 0, 1 or an action's value; NaN while nothing has decided it. */
  readonly labels: Float32Array;
  /** One per row: 1 once its example is decided. */
  readonly emitted: Uint8Array;
  /** Rows whose example is not decided. */
  rowsOpen: number;
  /** Ids of the actions that were counted. */
  readonly eventIds: Set<string>;
}

/** What it takes beside its arrays, roughly. */
const ACTED_BYTES = 512;

/** What the window counted; names as in `JoinerStatus`. */
export interface JoinCounts {
  impressionsClosedEarly: number;
  impressionsDuplicate: number;
  examplesEmitted: number;
  examplesSampledOut: number;
  actionsMatched: number;
  actionsIgnored: number;
  actionsUnmatched: number;
  actionsDuplicate: number;
  actionsLate: number;
  actionsExcess: number;
  eventsAheadOfTime: number;
}

export class JoinWindow {
  readonly #options: JoinerOptions;
  readonly #rules: LabelRules;
  readonly #sampling: NegativeSampling;
  /** Those with an item that is not decided. */
  readonly #open = new OpenImpressions();
  readonly #acted = new Map<RecordAddress, Acted>();
  #actedBytes = 0;
  readonly #reader = new ShownRowsReader();
  /** Rankings that are decided: an action on one is late rather than unknown. */
  #closed = new FingerprintMap();
  /** Those before them; forgotten as a whole when `#closed` has grown to `impressionsMax`. */
  #closedBefore = new FingerprintMap();
  readonly #negative: Float32Array;
  #clockMs: number;
  readonly counts: JoinCounts = {
    impressionsClosedEarly: 0,
    impressionsDuplicate: 0,
    examplesEmitted: 0,
    examplesSampledOut: 0,
    actionsMatched: 0,
    actionsIgnored: 0,
    actionsUnmatched: 0,
    actionsDuplicate: 0,
    actionsLate: 0,
    actionsExcess: 0,
    eventsAheadOfTime: 0,
  };

  /** @param clockMs Where the data clock stands before the first record. */
  constructor(options: JoinerOptions, clockMs = 0) {
    this.#options = options;
    this.#clockMs = clockMs;
    this.#rules = new LabelRules(options.tasks);
    this.#sampling = new NegativeSampling(options.negativeSampling);
    this.#negative = new Float32Array(options.tasks.length);
  }

  get impressionsOpen(): number {
    return this.#open.size;
  }

  /** What they take, bytes: a sum over those that are open, and so a function of the log. */
  get openBytes(): number {
    return this.#open.bytes + this.#actedBytes;
  }

  /** Newest data time seen, ms. */
  get clockMs(): number {
    return this.#clockMs;
  }

  /**
   * From where to read again, and with which data clock, to rebuild this window: the oldest open impression, or
   * `nextOffset` when none is open. Every impression before it is decided, so reading from there decides every
   * later one as it was decided the first time: its actions all come after it, the clock stands where it stood, and
   * the others that were open then can only have kept it from being closed early, never the reverse (the oldest go
   * first, and it was not among them). Decided impressions need not come back: what would be done with them is
   * only to count an action as late instead of unmatched.
   */
  resumePoint(
    nextOffset: number,
  ): { readonly replayOffset: number; readonly replayClockMs: number } {
    const { oldest } = this.#open;
    return oldest === undefined
      ? { replayOffset: nextOffset, replayClockMs: this.#clockMs }
      : { replayOffset: oldest.offset, replayClockMs: oldest.openedAtMs };
  }

  /**
   * Moves the data clock on to a record's time. An event that claims to come from the future (a broken clock, a
   * forged timestamp) moves it only to the time of its acceptance plus `clockSkewMsMax`, so that it cannot close
   * the windows of everybody else.
   */
  observe(record: EventRecord): void {
    const limitMs = record.acceptedAtMs + this.#options.clockSkewMsMax;
    if (record.atMs > limitMs) this.counts.eventsAheadOfTime++;
    this.#clockMs = Math.max(this.#clockMs, Math.min(record.atMs, limitMs));
  }

  /** Closes the oldest impression if its window is over; false when there is none to close. */
  closeNext(out: ExampleOutput): boolean {
    const { oldest } = this.#open;
    if (oldest === undefined) return false;
    if (this.#clockMs - oldest.openedAtMs < this.#options.windowMs) return false;
    this.#close(oldest, out);
    return true;
  }

  /**
   * Closes the oldest impression, window or not, if its record lies before `beforeOffset`; false when it does not.
   *
   * When to call this need not be a function of the log: whether it was done before a restart shows in
   * {@link resumePoint}, which is written with the examples.
   */
  closeEarly(beforeOffset: number, out: ExampleOutput): boolean {
    const { oldest } = this.#open;
    if (oldest === undefined || oldest.offset >= beforeOffset) return false;
    this.counts.impressionsClosedEarly++;
    this.#close(oldest, out);
    return true;
  }

  /**
   * Takes in a record that was {@link observe}d, after the windows that it closes have been closed.
   *
   * @param offset Where the record lies in the event log.
   */
  accept(record: EventRecord, offset: number, out: ExampleOutput): void {
    if (record.kind === "impression") this.#acceptImpression(record, offset, out);
    else this.#acceptAction(record, out);
  }

  /**
   * A ranking that comes again under the id of an open one takes its place: the client asked again because it never
   * saw the first answer. That one is forgotten, unless somebody acted on it after all: then it is closed.
   *
   * The other way round, with the first one staying, a restart would not know the first one any more once it is
   * decided, and would open the second.
   */
  #acceptImpression(record: ImpressionRecord, offset: number, out: ExampleOutput): void {
    const fingerprint = fingerprintOf(record.rankingId);
    const earlier = this.#open.find(fingerprint);
    if (earlier !== undefined) {
      this.counts.impressionsDuplicate++;
      if (this.#acted.has(earlier.place)) this.#close(earlier, out);
      else this.#open.remove(earlier);
    }
    const { impressionsMax, impressionsBytesMax } = this.#options;
    const more = impressionBytes(record.shown.byteLength);
    while (
      this.#open.size >= impressionsMax || this.openBytes + more > impressionsBytesMax
    ) {
      if (!this.closeEarly(offset, out)) break; // larger than the limit by itself
    }
    const samplingKey = this.#sampling.keyOf(record.rankingId);
    const { atMs } = record;
    this.#open.add(
      { fingerprint, samplingKey, atMs, openedAtMs: this.#clockMs, offset },
      record.shown,
    );
  }

  #acceptAction(record: ActionRecord, out: ExampleOutput): void {
    const fingerprint = fingerprintOf(record.rankingId);
    const impression = this.#open.find(fingerprint);
    if (impression === undefined) {
      if (this.#closed.has(fingerprint) || this.#closedBefore.has(fingerprint)) {
        this.counts.actionsLate++;
      } else this.counts.actionsUnmatched++;
      return;
    }
    const shown = this.#read(impression);
    const row = shown.rowOf(record.item);
    if (row < 0) {
      this.counts.actionsUnmatched++;
      return;
    }
    const acted = this.#actedOn(impression, shown.rows);
    if (acted.eventIds.has(record.eventId)) {
      this.counts.actionsDuplicate++;
      return;
    }
    if (acted.eventIds.size >= this.#options.actionsPerImpressionMax) {
      this.counts.actionsExcess++;
      return;
    }
    acted.eventIds.add(record.eventId);
    if (acted.emitted[row] === 1) {
      this.counts.actionsLate++;
      return;
    }
    const verdict = this.#rules.judge(record.action, record.value);
    if (verdict === undefined) {
      this.counts.actionsIgnored++;
      return;
    }
    this.counts.actionsMatched++;
    const tasks = this.#options.tasks.length;
    for (let task = 0; task < tasks; task++) {
      const label = verdict.labels[task];
      if (label !== undefined) acted.labels[row * tasks + task] = label;
    }
    if (!verdict.final) return;
    this.#emit(impression, acted, shown, row, out);
    acted.emitted[row] = 1;
    if (--acted.rowsOpen === 0) this.#forget(impression);
  }

  #actedOn({ place }: OpenImpression, rows: number): Acted {
    let acted = this.#acted.get(place);
    if (acted === undefined) {
      acted = {
        labels: new Float32Array(rows * this.#options.tasks.length).fill(NaN),
        emitted: new Uint8Array(rows),
        rowsOpen: rows,
        eventIds: new Set(),
      };
      this.#acted.set(place, acted);
      this.#actedBytes += actedBytes(acted);
    }
    return acted;
  }

  #close(impression: OpenImpression, out: ExampleOutput): void {
    const shown = this.#read(impression);
    const acted = this.#acted.get(impression.place);
    for (let row = 0; row < shown.rows; row++) {
      if (acted?.emitted[row] !== 1) this.#emit(impression, acted, shown, row, out);
    }
    this.#forget(impression);
  }

  /** Every item is decided: neither the window nor a restart needs it any more. */
  #forget(impression: OpenImpression): void {
    this.#open.remove(impression);
    const acted = this.#acted.get(impression.place);
    if (acted !== undefined) {
      this.#acted.delete(impression.place);
      this.#actedBytes -= actedBytes(acted);
    }
    if (this.#closed.size >= this.#options.impressionsMax) {
      this.#closedBefore = this.#closed;
      this.#closed = new FingerprintMap();
    }
    this.#closed.set(impression.fingerprint, 0);
  }

  /** Makes the example of a row, unless sampling leaves it out. */
  #emit(
    impression: OpenImpression,
    acted: Acted | undefined,
    shown: ShownRowsReader,
    row: number,
    out: ExampleOutput,
  ): void {
    const labels = this.#labelsOf(acted, row);
    const negative = labels === this.#negative || labels.every((label) => label === 0);
    if (negative && !this.#sampling.keeps(impression.samplingKey, row)) {
      this.counts.examplesSampledOut++;
      return;
    }
    this.counts.examplesEmitted++;
    out(impression)?.add(
      shown.features(),
      row,
      labels,
      this.#sampling.logSampleRate(negative),
      shown.score(row),
      impression.atMs,
    );
  }

  /** `[tasks]`: what nothing has decided is 0. */
  #labelsOf(acted: Acted | undefined, row: number): Float32Array {
    if (acted === undefined) return this.#negative;
    const tasks = this.#options.tasks.length;
    return acted.labels.slice(row * tasks, (row + 1) * tasks).map((label) => label || 0);
  }

  /** One impression's rows at a time. */
  #read({ memory, begin }: OpenImpression): ShownRowsReader {
    return this.#reader.open(memory, begin);
  }
}

function actedBytes({ labels, emitted }: Acted): number {
  return ACTED_BYTES + labels.byteLength + emitted.byteLength;
}
