/**
 * Decides when parameter sync is told that a trainer has another acceptance mark. While the trainer
 * learns, parameter sync asks in each of its rounds and is told nothing. Where it knows the mark it
 * asks rarely, and is told of the first change.
 */
import { type AcceptanceMark, type GetAcceptanceMark, isSameMark } from "./protocol.ts";

type Mark = Required<AcceptanceMark>;

export class MarkNews {
  /** The mark that an asker knows; undefined where parameter sync asks in its next round. */
  #known: Mark | undefined;

  /** @param first The mark before anything is learned: the first change is told. */
  constructor(first: Mark) {
    this.#known = first;
  }

  /** The answer to a question. */
  answer({ known }: GetAcceptanceMark, mark: Mark): AcceptanceMark {
    const { scope, ...rest } = mark;
    const isScopeKnown = known?.scope === scope.id;
    // A second asker, on a host that is cut off, may know less than the one that rests.
    if (isScopeKnown && isSameMark(mark, { ...known, scope })) this.#known = mark;
    return isScopeKnown ? rest : mark;
  }

  /** Whether parameter sync has to be told of another mark; it is told once. */
  take(newest: () => Mark): boolean {
    if (this.#known === undefined || isSameMark(newest(), this.#known)) return false;
    this.#known = undefined;
    return true;
  }
}
