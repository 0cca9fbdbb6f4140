/**
 * Bugs to plant, each an exact text edit of a production file, or of several where a second defence
 * keeps the promise. A simulation with a plant must fail: that is the proof that its checkers see
 * something. Production code has no test switch; a copy of the source with the edited files runs
 * instead.
 */

/** One replaced text. */
export interface PlantEdit {
  /** Path from the repository's root. */
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** One bug. */
export interface Plant {
  readonly name: string;
  /** More than one where a second defence keeps the promise. */
  readonly edits: readonly PlantEdit[];
  /** Checkers that are expected to see it. */
  readonly seenBy: readonly string[];
  /** Scenario in which it shows soonest. */
  readonly scenario: string;
}
