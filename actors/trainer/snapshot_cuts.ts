/**
 * The cuts that a trainer is asked for. A cut waits for the end of a flight, so that it changes no
 * bit of the model, or for the record of an erasure.
 */
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { lastChunkOf } from "../../records/last_record.ts";
import { invariant } from "../../structures/invariant.ts";
import type { BatchPipeline } from "./batch_pipeline.ts";
import type { Progresses } from "./example_batch.ts";
import type { TrainerOptions } from "./options.ts";
import type { Cut } from "./protocol.ts";
import type { Recovery } from "./recovery.ts";
import { cutParts, type SnapshotCutParts, type StateAtCut } from "./snapshot_cut.ts";

/**
 * Longest wait, ms. It passes where the example log is full, the joiner is restarting, or the blob
 * store takes no record.
 */
const CUT_WAIT_MS = 500;

export interface SnapshotCutsParts extends SnapshotCutParts {
  readonly options: Pick<TrainerOptions, "name" | "dealing">;
  readonly exampleLog: EventLog;
  readonly session: TrainingSession;
  readonly pipeline: BatchPipeline;
}

/** The trainer at the moment of a cut. */
export interface TrainerAtCut {
  readonly progress: Progresses;
  readonly recovery: Recovery;
  /** The event whose record the blob store lacks: no cut may be made before it has the record. */
  readonly lacking: "erasure" | "way back" | undefined;
}

export class SnapshotCuts {
  readonly #parts: SnapshotCutsParts;
  readonly #atCut: () => TrainerAtCut;
  #waiting: { readonly message: Cut; readonly atMs: number }[] = [];

  constructor(parts: SnapshotCutsParts, atCut: () => TrainerAtCut) {
    this.#parts = parts;
    this.#atCut = atCut;
  }

  /** Lets a cut wait; `cutWaits` is told when it has waited long enough. */
  add(message: Cut): void {
    const { context } = this.#parts;
    this.#waiting.push({ message, atMs: context.clock.monotonicMs() });
    context.schedule(CUT_WAIT_MS, { kind: "cutWaits" });
  }

  /** Whether a cut has waited long enough. */
  get areDue(): boolean {
    const nowMs = this.#parts.context.clock.monotonicMs();
    return this.#waiting.some(({ atMs }) => nowMs >= atMs + CUT_WAIT_MS);
  }

  /** Makes the cuts that wait; a cut that its asker gave up must have no effect later. */
  async makeWaiting(): Promise<void> {
    const cuts = this.#waiting.map(({ message }) => message);
    this.#waiting = [];
    const { context } = this.#parts;
    const awaited = cuts.filter((message) => context.remainingMs(message) > 0);
    for (const message of awaited) await this.make(message);
  }

  /** Makes a cut and answers it; no batch may be in flight. */
  async make(message: Cut): Promise<void> {
    const { context, pipeline, shards, options: { name, dealing } } = this.#parts;
    if (message.dealing !== dealing) {
      const reason = `${name} is of dealing ${dealing}, and the snapshot ` +
        `${message.snapshot} was begun with the trainers of dealing ${message.dealing}`;
      return context.replyError(message, new Error(`${reason}: take another one.`));
    }
    await pipeline.drain();
    invariant(pipeline.isEmpty, "a cut holds what is settled");
    const { progress, lacking } = this.#atCut();
    if (lacking !== undefined) {
      const reason = `${name} gives no state to a snapshot while the blob store lacks a record ` +
        `of its ${lacking}`;
      return context.replyError(message, new Error(`${reason}: try again later.`));
    }
    try {
      const own = [...progress].map(([partition, { sequence }]) =>
        shards.standing(partition, sequence)
      );
      const readState = () => this.#readState();
      const parts = await cutParts(message, { name, own }, readState, this.#parts);
      context.reply(message, { parts });
    } catch (error) {
      context.replyError(message, error as Error);
    }
  }

  async #readState(): Promise<StateAtCut> {
    const { session, exampleLog, kernel } = this.#parts;
    // A restart from the snapshot does not refuse the rows before it again: store their record.
    await this.#atCut().recovery.saveQuarantine();
    const { progress, recovery } = this.#atCut();
    return {
      cuts: await Promise.all([...progress].map(async ([partition, at]) => {
        const cut = { source: gradientSource(partition), partition, ...at };
        const lastChunk = await lastChunkOf(exampleLog, kernel, cut);
        return lastChunk === undefined ? cut : { ...cut, lastChunk };
      })),
      state: { model: await session.checkpoint(), judgement: recovery.judgement },
    };
  }
}
