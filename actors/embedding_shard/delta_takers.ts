/**
 * The takers of a shard's deltas, one on each serving host. Each asks for the deltas after its
 * position, and is answered at once where the shard holds some. Where it has the newest one its
 * question waits: parameter sync sets the pace by its marks, and a wait ends at the next second.
 *
 * A mark counts for the rows at the delta that had all changes of the tables when, or after, the
 * mark came: the trainers had applied what it claims before.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import { untilNextMoment } from "../../mesh/runtime/common_moments.ts";
import type { DeltaStream, TakenDeltas } from "./delta_stream.ts";
import type { EmbeddingShardMessage, Learned, TakeDeltas } from "./protocol.ts";

/** Longest wait of a question, ms: rows may expire, and parameter sync may be away. */
const QUIET_MS = 1_000;
/** The same while rows are loaded, ms. */
const LOADING_MS = 100;

export interface DeltaTakersParts {
  readonly context: ActorContext<EmbeddingShardMessage>;
  readonly deltas: DeltaStream;
  readonly incarnation: string;
  readonly isLoading: () => boolean;
}

interface Waiting {
  readonly request: TakeDeltas;
  readonly timer: { cancel(): void };
}

export class DeltaTakers {
  readonly #parts: DeltaTakersParts;
  /** Questions of takers that have the newest delta, by taker. */
  readonly #waiting = new Map<string, Waiting>();
  /** Whether changes go into deltas as soon as a taker asks; else at the next mark. */
  #isOpen = false;
  /** The newest mark that no delta has yet. */
  #mark: number | undefined;
  #isStopping = false;

  constructor(parts: DeltaTakersParts) {
    this.#parts = parts;
  }

  /** Parameter sync tells a mark, and that it is time for the next deltas. */
  learned({ throughMs, incarnation }: Learned): void {
    if (incarnation === this.#parts.incarnation) {
      this.#mark = Math.max(this.#mark ?? 0, throughMs);
    }
    this.#isOpen = true;
    const [waiting] = this.#waiting.values();
    if (waiting !== undefined) this.#seal(waiting.request.rowsMax);
  }

  /** Answers a taker at once, or when there is news. A taker asks one question at a time. */
  take(request: TakeDeltas): void {
    const { context, isLoading } = this.#parts;
    this.#release(request.taker);
    if (this.#answerNews(request)) return;
    const waitMs = Math.min(
      isLoading() ? LOADING_MS : untilNextMoment(context.clock, QUIET_MS),
      context.remainingMs(request) / 2,
    );
    const { taker } = request;
    const timer = context.schedule(waitMs, { kind: "takerWaited", taker });
    this.#waiting.set(taker, { request, timer });
    if (this.#isOpen) this.#seal(request.rowsMax);
    if (this.#isStopping) this.#release(taker);
  }

  /** The time of a waiting question is up: it gets the changes since the newest delta, or none. */
  waited(taker: string): void {
    const waiting = this.#waiting.get(taker);
    if (waiting === undefined) return;
    this.#isOpen = true;
    this.#seal(waiting.request.rowsMax);
    this.#release(taker, true);
  }

  /** Answers the questions that wait, without news: no delta is sealed from here on. */
  releaseAll(): void {
    for (const taker of [...this.#waiting.keys()]) this.#release(taker);
  }

  /** The shard stops: no question waits any more. */
  beginStop(): void {
    this.#isStopping = true;
    this.releaseAll();
  }

  #seal(rowsMax: number): void {
    const { deltas, isLoading } = this.#parts;
    if (deltas.seal({ rowsMax, isLoading: isLoading() })) {
      this.#isOpen = false;
      if (this.#mark !== undefined) deltas.learned(this.#mark);
      this.#mark = undefined;
    }
    for (const { request } of [...this.#waiting.values()]) {
      if (this.#answerNews(request, true)) this.#forget(request.taker);
    }
  }

  /** @returns Whether there was news. */
  #answerNews(request: TakeDeltas, isSealed = false): boolean {
    const { position, rowsMax, learnedThroughMs: known = -1 } = request;
    const taken = this.#parts.deltas.after(position, rowsMax);
    const { deltas, missed = false, learnedThroughMs = -1 } = taken;
    if (deltas.length === 0 && !missed && learnedThroughMs <= known) return false;
    this.#reply(request, taken, isSealed || deltas.length > 0);
    return true;
  }

  /** @param isSealed Whether the tables were looked at since the taker's last question. */
  #reply(request: TakeDeltas, taken: TakenDeltas, isSealed: boolean): void {
    const { context, deltas, incarnation, isLoading } = this.#parts;
    const isNewest = taken.position.sequence === deltas.position.sequence;
    context.reply(request, {
      ...taken,
      incarnation,
      ...(isSealed && isNewest && deltas.isDrained && { complete: true }),
      ...(isLoading() && { isLoading: true }),
    });
  }

  #release(taker: string, isSealed = false): void {
    const waiting = this.#waiting.get(taker);
    if (waiting === undefined) return;
    this.#forget(taker);
    const { request } = waiting;
    const { position, rowsMax } = request;
    this.#reply(request, this.#parts.deltas.after(position, rowsMax), isSealed);
  }

  #forget(taker: string): void {
    this.#waiting.get(taker)?.timer.cancel();
    this.#waiting.delete(taker);
  }
}
