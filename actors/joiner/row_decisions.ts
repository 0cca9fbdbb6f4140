/**
 * The held impressions of a join window, the actions on their rows, and the decisions about rows:
 * final labels, the close of an impression, and the end of its late labels.
 *
 * An action with a final label makes its row's example at once. The other rows wait until the
 * window closes, or the impression's room is needed.
 */
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { present } from "../../structures/invariant.ts";
import type { EarlyAction } from "../../records/joiner_position.ts";
import { ImpressionRowsReader } from "../../records/impression_rows_reader.ts";
import type { DataClock } from "./data_clock.ts";
import { DroppedRankings } from "./dropped_rankings.ts";
import { type HeldImpression, HeldImpressions, type ImpressionHeader } from "./held_impressions.ts";
import { LabelRules } from "./label_rules.ts";
import type { JoinerOptions } from "./options.ts";
import { ActionsByImpression, type RankingActions } from "./ranking_actions.ts";
import type { ExampleOutput, RowExamples } from "./row_examples.ts";

/** A held impression on its way to the window of another partition. */
export interface CarriedImpression {
  /** Its offset is that of the window which it leaves, then that of the one which takes it. */
  readonly header: ImpressionHeader;
  readonly isDecided: boolean;
  readonly rows: Uint8Array;
  readonly actions: RankingActions | undefined;
  readonly trace: TraceContext | undefined;
}

export class RowDecisions {
  readonly held = new HeldImpressions((from, to) => this.#actions.move(from, to));
  readonly #actions = new ActionsByImpression();
  readonly #dropped: DroppedRankings;
  readonly #rules: LabelRules;
  readonly #reader = new ImpressionRowsReader();
  readonly #options: JoinerOptions;
  readonly #clock: DataClock;
  readonly #rowExamples: RowExamples;

  constructor(options: JoinerOptions, clock: DataClock, rowExamples: RowExamples) {
    this.#options = options;
    this.#clock = clock;
    this.#rowExamples = rowExamples;
    this.#rules = new LabelRules(options.tasks);
    this.#dropped = new DroppedRankings(options.impressionsMax);
  }

  /** Size of the actions, bytes: a function of the log. */
  get actionBytes(): number {
    return this.#actions.bytes;
  }

  /** Whether an action on a held impression, or a report of it, has come. */
  isSeen({ address }: HeldImpression): boolean {
    return this.#actions.has(address);
  }

  /** Whether a ranking was held, and is not any more. */
  wasDropped(ranking: Fingerprint): boolean {
    return this.#dropped.has(ranking);
  }

  /** The held impressions, to be carried to other windows; this one is not used any more. */
  *carried(): Iterable<CarriedImpression> {
    for (const impression of this.held.all()) {
      const { address, isDecided, memory: _memory, begin: _begin, ...header } = impression;
      yield {
        header,
        isDecided,
        rows: this.held.rowsOf(impression),
        actions: this.#actions.get(address),
        trace: this.#rowExamples.traces.get(header.offset),
      };
    }
  }

  /** Holds an impression of another window. */
  hold({ header, isDecided, rows, actions, trace }: CarriedImpression): void {
    this.held.add(header, rows);
    const held = present(this.held.find(header.fingerprint), "a carried impression is held");
    if (isDecided) this.held.decide(held);
    if (actions !== undefined) this.#actions.put(held.address, actions);
    this.#rowExamples.traces.add(header.offset, trace);
  }

  /** Marks the rows of reported items as shown. */
  report(impression: HeldImpression, items: readonly string[]): void {
    const rows = this.#read(impression);
    const rowOf = new Map(rows.items().map((item, row) => [item, row]));
    const actions = this.#actions.of(impression.address, rows.rows, this.#options.tasks.length);
    actions.isReported = true;
    for (const item of items) {
      const row = rowOf.get(item);
      if (row !== undefined) actions.shown[row] = 1;
    }
  }

  /** Gives an action's labels to its row, and makes the row's example if they are final. */
  label(impression: HeldImpression, record: EarlyAction, out: ExampleOutput): void {
    const rows = this.#read(impression);
    const row = rows.rowOf(record.item);
    if (row < 0) {
      this.#rowExamples.count("actionsUnmatched");
      return;
    }
    const tasks = this.#options.tasks.length;
    const actions = this.#actions.of(impression.address, rows.rows, tasks);
    if (actions.eventIds.has(record.eventId)) {
      this.#rowExamples.count("actionsDuplicate");
      return;
    }
    if (actions.eventIds.size >= this.#options.actionsPerImpressionMax) {
      this.#rowExamples.count("actionsExcess");
      return;
    }
    this.#actions.addEventId(actions, record.eventId);
    actions.shown[row] = 1;
    const verdict = this.#rules.judge(record.action, record.value);
    if (impression.isDecided || actions.decided[row] === 1) {
      this.#rowExamples.learnLate(
        { impression, actions, rows, row },
        verdict?.labels,
        this.#clock.nowMs - impression.openedAtMs,
        out,
      );
      return;
    }
    if (verdict === undefined) {
      this.#rowExamples.count("actionsIgnored");
      return;
    }
    this.#rowExamples.count("actionsMatched");
    for (let task = 0; task < tasks; task++) {
      const label = verdict.labels[task];
      if (label !== undefined) actions.labels[row * tasks + task] = label;
    }
    if (!verdict.final) return;
    this.#rowExamples.emit({ impression, actions, rows }, row, out);
    actions.decided[row] = 1;
    if (--actions.rowsOpen === 0) this.decide(impression);
  }

  /** Makes the examples of the rows that are not decided. */
  close(impression: HeldImpression, out: ExampleOutput): void {
    const rows = this.#read(impression);
    const actions = this.#actions.get(impression.address);
    const ranking = { impression, actions, rows };
    const onlyShown = impression.awaitsShown || actions?.isReported === true;
    const rowCount = rows.rows;
    for (let row = 0; row < rowCount; row++) {
      if (actions?.decided[row] === 1) continue;
      if (onlyShown && actions?.shown[row] !== 1) this.#rowExamples.count("rowsNotShown");
      else this.#rowExamples.emit(ranking, row, out);
    }
    this.decide(impression);
  }

  /** Holds an impression whose rows are all decided for late labels, or drops it. */
  decide(impression: HeldImpression): void {
    if (this.#clock.nowMs - impression.openedAtMs < this.#rowExamples.late.lateMsMax) {
      this.held.decide(impression);
    } else this.drop(impression);
  }

  /** Removes an impression; later actions on it are late. */
  drop(impression: HeldImpression): void {
    this.remove(impression);
    this.#dropped.add(impression.fingerprint);
  }

  /** Removes an impression, as if it had never come. */
  remove(impression: HeldImpression): void {
    // Removing may move other impressions, also to this address.
    this.#rowExamples.traces.delete(impression.offset);
    this.#actions.delete(impression.address);
    this.held.remove(impression);
  }

  /** The rows of an impression, until the next call. */
  #read({ memory, begin }: HeldImpression): ImpressionRowsReader {
    return this.#reader.open(memory, begin);
  }
}
