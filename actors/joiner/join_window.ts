/**
 * Clicks arrive minutes after impressions. This window holds what was shown for `windowMs`, so that an item becomes
 * a negative only when nobody acted on it in time, and an example carries the features that were served.
 *
 * All that happens here is a function of the event log: time is the data clock (the newest event time seen, which
 * never goes back), and sampling is keyed. A joiner that reads the same records again decides the same again,
 * which is what makes its output exactly-once (see {@link JoinWindow.resumePoint}). {@link JoinWindow.closeEarly}
 * alone comes from outside, and takes the oldest only.
 */
import { RingQueue } from "../../mesh/runtime/ring_queue.ts";
import type { ActionRecord, EventRecord, ImpressionRecord } from "./protocol.ts";
import type { ExampleChunkBuilder } from "./example_chunks.ts";
import type { JoinerOptions } from "./options.ts";
import { LabelRules } from "./label_rules.ts";
import { NegativeSampling } from "./negative_sampling.ts";
import { type RecordPlace, RecordStore } from "./record_store.ts";
import { ShownRowsReader } from "../../kernels/features/shown_rows.ts";

/**
 * Where the examples of an impression go, which lies at `offset` of the event log; undefined where they were written
 * before a restart.
 */
export type ExampleOutput = (
  impression: { readonly rankingId: string; readonly offset: number },
) => ExampleChunkBuilder | undefined;

/** What an impression takes beside its rows' bytes: a few objects, and its places in the window's collections. */
const IMPRESSION_OBJECTS_BYTES = 512;

interface OpenImpression {
  readonly rankingId: string;
  readonly rows: number;
  /** Where its rows lie. Let go when every row's example is decided. */
  readonly shown: RecordPlace;
  /** Those whose example is not decided. */
  rowsOpen: number;
  readonly samplingKey: number;
  readonly atMs: number;
  /** The data clock when the record was read, so that windows close in the order of the log. */
  readonly openedAtMs: number;
  readonly offset: number;
  /** One per (row, task): 0, 1 or an action's value; NaN while nothing has decided it. Made at the first action. */
  labels?: Float32Array;
  /** One per row: 1 once its example is decided. Made at the first final action. */
  emitted?: Uint8Array;
  /** Ids of the actions that were counted. Made at the first action. */
  eventIds?: Set<string>;
}

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
  readonly #open = new Map<string, OpenImpression>();
  /** The rows of the open ones. */
  readonly #records = new RecordStore();
  readonly #reader = new ShownRowsReader();
  /**
   * The open ones in the order of the log, and some that are not open any more. A queue, since finding a large Map's
   * first key costs 100 µs and more.
   */
  #byAge = new RingQueue<OpenImpression>();
  /** Rankings that are decided: an action on one is late rather than unknown. */
  #closed = new Set<string>();
  /** Those before them; forgotten as a whole when `#closed` has grown to `impressionsMax`. */
  #closedBefore = new Set<string>();
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

  /** What they take, bytes. */
  get openBytes(): number {
    return this.#records.bytes + IMPRESSION_OBJECTS_BYTES * this.#open.size;
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
    const oldest = this.#oldest();
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
    const oldest = this.#oldest();
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
    const oldest = this.#oldest();
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
    const earlier = this.#open.get(record.rankingId);
    if (earlier !== undefined) {
      this.counts.impressionsDuplicate++;
      if (earlier.eventIds !== undefined) this.#close(earlier, out);
      else this.#letGo(earlier);
    }
    const { impressionsMax, impressionsBytesMax } = this.#options;
    const more = record.shown.byteLength + IMPRESSION_OBJECTS_BYTES;
    while (
      this.#open.size >= impressionsMax || this.openBytes + more > impressionsBytesMax
    ) {
      if (!this.closeEarly(offset, out)) break; // larger than the limit by itself
    }
    const shown = this.#records.put(record.shown);
    const { rows } = this.#read(shown);
    const impression: OpenImpression = {
      rankingId: record.rankingId,
      rows,
      shown,
      rowsOpen: rows,
      samplingKey: this.#sampling.keyOf(record.rankingId),
      atMs: record.atMs,
      openedAtMs: this.#clockMs,
      offset,
    };
    this.#open.set(impression.rankingId, impression);
    this.#byAge.push(impression);
    if (this.#byAge.length > 2 * this.#open.size + 1_024) this.#sweep();
  }

  #acceptAction(record: ActionRecord, out: ExampleOutput): void {
    const impression = this.#open.get(record.rankingId);
    if (impression === undefined) {
      if (this.#isClosed(record.rankingId)) this.counts.actionsLate++;
      else this.counts.actionsUnmatched++;
      return;
    }
    const shown = this.#read(impression.shown);
    const row = shown.rowOf(record.item);
    if (row < 0) {
      this.counts.actionsUnmatched++;
      return;
    }
    const eventIds = impression.eventIds ??= new Set();
    if (eventIds.has(record.eventId)) {
      this.counts.actionsDuplicate++;
      return;
    }
    if (eventIds.size >= this.#options.actionsPerImpressionMax) {
      this.counts.actionsExcess++;
      return;
    }
    eventIds.add(record.eventId);
    if (impression.emitted?.[row] === 1) {
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
    const labels = impression.labels ??= new Float32Array(impression.rows * tasks)
      .fill(NaN);
    for (let task = 0; task < tasks; task++) {
      const label = verdict.labels[task];
      if (label !== undefined) labels[row * tasks + task] = label;
    }
    if (!verdict.final) return;
    this.#emit(impression, shown, row, out);
    (impression.emitted ??= new Uint8Array(impression.rows))[row] = 1;
    if (--impression.rowsOpen === 0) this.#forget(impression);
  }

  #close(impression: OpenImpression, out: ExampleOutput): void {
    const shown = this.#read(impression.shown);
    for (let row = 0; row < impression.rows; row++) {
      if (impression.emitted?.[row] !== 1) this.#emit(impression, shown, row, out);
    }
    this.#forget(impression);
  }

  /** Every item is decided: neither the window nor a restart needs it any more. */
  #forget(impression: OpenImpression): void {
    if (!this.#letGo(impression)) return;
    if (this.#closed.size >= this.#options.impressionsMax) {
      this.#closedBefore = this.#closed;
      this.#closed = new Set();
    }
    this.#closed.add(impression.rankingId);
  }

  /** False when it is not open any more. */
  #letGo(impression: OpenImpression): boolean {
    if (!this.#open.delete(impression.rankingId)) return false;
    this.#records.remove(impression.shown);
    return true;
  }

  /** The oldest that is open. */
  #oldest(): OpenImpression | undefined {
    for (;;) {
      const oldest = this.#byAge.peek();
      if (oldest === undefined || this.#isOpen(oldest)) return oldest;
      this.#byAge.shift();
    }
  }

  /** Lets go of what is decided behind an old one that is not. */
  #sweep(): void {
    const all = this.#byAge;
    this.#byAge = new RingQueue();
    for (let next = all.shift(); next !== undefined; next = all.shift()) {
      if (this.#isOpen(next)) this.#byAge.push(next);
    }
  }

  #isOpen(impression: OpenImpression): boolean {
    return this.#open.get(impression.rankingId) === impression;
  }

  #isClosed(rankingId: string): boolean {
    return this.#closed.has(rankingId) || this.#closedBefore.has(rankingId);
  }

  /** Makes the example of a row, unless sampling leaves it out. */
  #emit(impression: OpenImpression, shown: ShownRowsReader, row: number, out: ExampleOutput): void {
    const labels = this.#labelsOf(impression, row);
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
  #labelsOf({ labels }: OpenImpression, row: number): Float32Array {
    if (labels === undefined) return this.#negative;
    const tasks = this.#options.tasks.length;
    return labels.slice(row * tasks, (row + 1) * tasks).map((label) => label || 0);
  }

  /** One impression's rows at a time. */
  #read({ chunk, begin }: RecordPlace): ShownRowsReader {
    return this.#reader.open(chunk.memory, begin);
  }
}
