/**
 * What the joiner needs to know, as plain data: configuration builds it, composition passes it on.
 */

/** One rule that turns an action into a label. The first rule of a task that matches decides. */
export interface LabelRule {
  /** The action's name: `click`, `rating`, … */
  readonly action: string;
  /** Matches only where the action has a value ≥ this. */
  readonly atLeast?: number;
  /** Matches only where the action has a value < this. */
  readonly below?: number;
  /** 1, 0, or the action's own value; a `value` rule matches only an action that has one. */
  readonly label: "positive" | "negative" | "value";
  /** Nothing later can change this item's labels: its example is emitted at once instead of when the window closes. */
  readonly final?: boolean;
}

/** How one task of the model gets its label. An item that no rule matched has label 0 when the window closes. */
export interface TaskLabels {
  readonly task: string;
  readonly rules: readonly LabelRule[];
}

/** The window, the label rules, and the bounds of both. */
export interface JoinerOptions {
  /** The partition of the event log that this joiner reads. */
  readonly partition: number;
  readonly slots: number;
  readonly denseWidth: number;
  /** How long an impression waits for actions, on the data clock, ms. */
  readonly windowMs: number;
  /** How far an event's own time may run ahead of the wall time of its acceptance before it is held back, ms. */
  readonly clockSkewMsMax: number;
  /** Open impressions; one more closes the oldest early. */
  readonly impressionsMax: number;
  /** What open impressions may take together, bytes; an impression too many closes the oldest early. */
  readonly impressionsBytesMax: number;
  /** Distinct actions remembered per impression; more are counted as excess and dropped. */
  readonly actionsPerImpressionMax: number;
  readonly tasks: readonly TaskLabels[];
  readonly negativeSampling: {
    /** Share of negatives that is kept, in (0, 1]; 1 keeps all. */
    readonly rate: number;
    readonly seed: number;
    /** What each example says of it: ln(rate), or ln of the share of its own kind that is kept (1 for all but negatives). */
    readonly correction: "logOdds" | "weight";
  };
  /** Newest event records that are kept although no restart of the joiner reads them: others look back on them. */
  readonly recordsKept: number;
  /** Event records handled per turn. */
  readonly recordsPerTurn: number;
  /** An example chunk is closed at the first impression or action that brings it to this many rows. */
  readonly chunkRowsMax: number;
}
