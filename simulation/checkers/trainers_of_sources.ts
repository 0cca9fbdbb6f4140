/**
 * The trainer that each source of gradients belongs to. In another tenure of its partition, a
 * source may belong to another trainer.
 */
import type { ApplyGradients } from "../../actors/embedding_shard/protocol.ts";
import { tenureOf } from "../../actors/embedding_shard/sources.ts";
import type { TrainerOptions } from "../../actors/trainer/options.ts";
import { gradientSource } from "../../records/gradient_source.ts";

/** Trainers by source and tenure, each as a value of `T`. */
export class TrainersOfSources<T> {
  readonly #trainers = new Map<string, T>();

  /** A trainer begins, and has the sources of its partitions from now on. */
  add({ partitions, tenure = 0 }: TrainerOptions, trainer: T): void {
    for (const partition of partitions) {
      this.#trainers.set(`${gradientSource(partition)} ${tenure}`, trainer);
    }
  }

  /** The trainer that has sent the gradients; undefined where none has begun with their source. */
  of({ source, opening }: Pick<ApplyGradients, "source" | "opening">): T | undefined {
    return this.#trainers.get(`${source} ${tenureOf(opening.epoch)}`);
  }
}
