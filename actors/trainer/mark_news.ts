/**
 * Decides when parameter sync is told that a trainer has another acceptance mark. While the trainer
 * learns, parameter sync asks in each of its rounds and is told nothing. Where it knows the mark it
 * asks rarely, and is told of the first change.
 */
import type { AcceptanceMark, GetAcceptanceMark } from "./protocol.ts";

type Mark = Required<AcceptanceMark>;

export class MarkNews {
  /** The mark that parameter sync knows; undefined where it asks in its next round. */
  #known: Mark | undefined;

  /** @param first The mark before anything is learned: the first change is told. */
  constructor(first: Mark) {
    this.#known = first;
  }

  /** The answer to a question. */
  answer({ known }: GetAcceptanceMark, mark: Mark): AcceptanceMark {
    const { scope, ...rest } = mark;
    const isScopeKnown = known?.scope === scope.id;
    const isKnown = isScopeKnown && known?.progress === mark.progress &&
      known.learnedThroughMs === mark.learnedThroughMs;
    this.#known = isKnown ? mark : undefined;
    return isScopeKnown ? rest : mark;
  }

  /** Whether parameter sync has to be told of another mark, which it is once. */
  hasCome(newest: () => Mark): boolean {
    if (this.#known === undefined) return false;
    const { learnedThroughMs, progress, scope } = newest();
    const known = this.#known;
    const isSame = progress === known.progress && scope.id === known.scope.id &&
      learnedThroughMs === known.learnedThroughMs;
    if (!isSame) this.#known = undefined;
    return !isSame;
  }
}
