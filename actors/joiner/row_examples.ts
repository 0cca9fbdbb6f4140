/**
 * Turns decided rows of impressions into examples: labels, sampling of negatives, the corrections
 * of the sampling rate, and the counts of all of it.
 */
import { present } from "../../structures/invariant.ts";
import { ImpressionRowsReader } from "../../records/impression_rows_reader.ts";
import type { PositiveCounts } from "../../records/joiner_position.ts";
import type { ExampleChunkBuilder } from "./example_chunk_builder.ts";
import type { Verdict } from "./label_rules.ts";
import { LateLabels, NO_LABEL } from "./late_labels.ts";
import { NegativeSampling } from "./negative_sampling.ts";
import type { HeldImpression, ImpressionHeader } from "./held_impressions.ts";
import { HeldTraces } from "./held_traces.ts";
import type { JoinerOptions } from "./options.ts";
import type { RankingActions } from "./ranking_actions.ts";

/**
 * The builder for an example of an impression; undefined if it was written before a restart.
 *
 * @param isLate Whether the example follows one of the same row, which closed with the impression.
 */
export type ExampleOutput = (
  impression: ImpressionHeader,
  isLate: boolean,
) => ExampleChunkBuilder | undefined;

/** Counts of the window; names as in `JoinerStatus`. */
export interface JoinCounts {
  impressionsClosed: number;
  impressionsClosedEarly: number;
  impressionsDuplicate: number;
  impressionsErased: number;
  examplesEmitted: number;
  examplesSampledOut: number;
  rowsNotShown: number;
  reportsMatched: number;
  reportsLate: number;
  reportsUnmatched: number;
  actionsMatched: number;
  actionsIgnored: number;
  actionsUnmatched: number;
  actionsEarly: number;
  actionsMissed: number;
  actionsDuplicate: number;
  actionsLate: number;
  actionsLearnedLate: number;
  actionsExcess: number;
  eventsAheadOfTime: number;
}

/** A held impression with its rows and the actions on them. */
export interface RowsOfImpression {
  readonly impression: HeldImpression;
  readonly actions: RankingActions | undefined;
  readonly rows: ImpressionRowsReader;
}

/** A row of a held impression whose example is decided. */
export interface RowOfImpression extends RowsOfImpression {
  readonly row: number;
}

/** A row with the labels of its example. */
export interface LabelledRow {
  readonly impression: HeldImpression;
  readonly rows: ImpressionRowsReader;
  readonly row: number;
  /** `[tasks]` */
  readonly labels: Float32Array;
  /** Whether it is negative in all tasks. */
  readonly isNegative: boolean;
  /** Whether the row was decided before. */
  readonly isLate: boolean;
}

export class RowExamples {
  readonly sampling: NegativeSampling;
  readonly late: LateLabels;
  readonly traces = new HeldTraces();
  /** Labels of a row without actions, `[tasks]`. */
  readonly #negative: Float32Array;
  /** Whether the record at hand was joined before a restart, so that its outcomes were counted. */
  #isReread = false;
  readonly counts: JoinCounts = {
    impressionsClosed: 0,
    impressionsClosedEarly: 0,
    impressionsDuplicate: 0,
    impressionsErased: 0,
    examplesEmitted: 0,
    examplesSampledOut: 0,
    rowsNotShown: 0,
    reportsMatched: 0,
    reportsLate: 0,
    reportsUnmatched: 0,
    actionsMatched: 0,
    actionsIgnored: 0,
    actionsUnmatched: 0,
    actionsEarly: 0,
    actionsMissed: 0,
    actionsDuplicate: 0,
    actionsLate: 0,
    actionsLearnedLate: 0,
    actionsExcess: 0,
    eventsAheadOfTime: 0,
  };

  constructor(options: JoinerOptions, positives: PositiveCounts | undefined) {
    this.sampling = new NegativeSampling(options.negativeSampling);
    this.late = new LateLabels(options, positives);
    this.#negative = new Float32Array(options.tasks.length);
  }

  /** Begins a record. The outcomes of a record that is read again are not counted a second time. */
  beginRecord(isReread: boolean): void {
    this.#isReread = isReread;
  }

  /** Counts an outcome of the record that was begun. */
  count(outcome: keyof JoinCounts): void {
    if (!this.#isReread) this.counts[outcome]++;
  }

  /** Makes the example of a row, unless sampling leaves it out. */
  emit({ impression, actions, rows }: RowsOfImpression, row: number, out: ExampleOutput): void {
    const labels = this.#labelsOf(actions, row);
    const negative = labels === this.#negative || labels.every((label) => label === 0);
    if (negative && !this.sampling.keeps(impression.samplingKey, row)) {
      this.count("examplesSampledOut");
      return;
    }
    this.add({ impression, rows, row, labels, isNegative: negative, isLate: false }, out);
  }

  /**
   * Makes a further example of a decided row whose positive label comes late; see late_labels.ts.
   *
   * @param given Labels of the action, `[tasks]`; undefined where no rule matches it.
   * @param ageMs Time since the impression, on the data clock.
   */
  learnLate(
    { impression, actions, rows, row }: RowOfImpression,
    given: Verdict["labels"] | undefined,
    ageMs: number,
    out: ExampleOutput,
  ): void {
    const known = present(actions, "an action was added").labels;
    const tasks = this.#negative.length;
    const labels = new Float32Array(tasks).fill(NO_LABEL);
    let learned = false;
    for (let task = 0; task < tasks; task++) {
      const isNew = given?.[task] === 1 && known[row * tasks + task] !== 1;
      if (!isNew || !this.late.isLearned(task, ageMs)) continue;
      known[row * tasks + task] = labels[task] = 1;
      learned = true;
    }
    if (!learned) {
      this.count("actionsLate");
      return;
    }
    this.count("actionsLearnedLate");
    this.add({ impression, rows, row, labels, isNegative: false, isLate: true }, out);
  }

  /** Adds an example with given labels. */
  add(added: LabelledRow, out: ExampleOutput): void {
    const { impression, rows, row, labels, isNegative, isLate } = added;
    const servedPrediction = rows.prediction(row);
    // Late positives add rows, which shifts the odds; every example's logit is corrected for that
    // (late_labels.ts).
    const logSampleRate = this.sampling.logSampleRate(isNegative, impression.logSampleRate) +
      this.late.correction(servedPrediction);
    if (labels[0] === 1 && !this.#isReread) this.late.count(isLate);
    const builder = out(impression, isLate);
    if (builder === undefined) return;
    this.count("examplesEmitted");
    builder.add({
      features: rows.featuresOfRowAlone(row),
      row: 0,
      labels,
      logSampleRate,
      servedPrediction,
      ranking: impression.fingerprint.low,
      atMs: impression.atMs,
      trace: this.traces.get(impression.offset),
    });
  }

  /** `[tasks]`: 0 for a task that no action has decided, which `actions.labels` has as NaN. */
  #labelsOf(actions: RankingActions | undefined, row: number): Float32Array {
    if (actions === undefined) return this.#negative;
    const tasks = this.#negative.length;
    return actions.labels.slice(row * tasks, (row + 1) * tasks).map((label) => label || 0);
  }
}
