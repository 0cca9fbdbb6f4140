/**
 * Decides which batches of the reader are in flight together. The example log alone decides it, not
 * the time of their arrival: with pipelining, a replay then looks up each row after the same
 * gradients as at the first time.
 */
import { present } from "../../structures/invariant.ts";
import type { BatchPipeline } from "./batch_pipeline.ts";
import type { ExampleReader, LackingPartition } from "./example_reader.ts";

export class Flights {
  readonly #reader: ExampleReader;
  readonly #pipeline: BatchPipeline;

  constructor(reader: ExampleReader, pipeline: BatchPipeline) {
    this.#reader = reader;
    this.#pipeline = pipeline;
  }

  /** Whether the next batch may begin. */
  get mayBegin(): boolean {
    if (!this.#reader.hasBatch || !this.#pipeline.hasRoom) return false;
    return this.#pipeline.isEmpty || !this.#reader.endsFlight;
  }

  /** Whether the gradients of the oldest batch must be sent before another batch begins. */
  get mustLearn(): boolean {
    return !this.#pipeline.isEmpty && (!this.#pipeline.hasRoom || this.#reader.endsFlight);
  }

  /** The partitions without chunks that keep the trainer from its next batch. */
  get lacking(): readonly LackingPartition[] {
    return this.#reader.lacking({ isFlightOpen: !this.#pipeline.isEmpty });
  }

  /**
   * Reads ahead, and begins each batch that may begin.
   *
   * @returns True when all chunks of the log are read.
   */
  async begin(): Promise<boolean> {
    let caughtUp = await this.#reader.read();
    while (this.mayBegin) {
      this.#pipeline.begin(present(this.#reader.take(), "a batch waits"));
      caughtUp = await this.#reader.read();
    }
    return caughtUp;
  }
}
