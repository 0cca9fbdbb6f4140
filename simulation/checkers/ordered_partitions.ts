/**
 * A trainer takes the chunks of its partitions in the order that the example log gives, so that a
 * replay repeats it.
 *
 *     ∀ shard incarnation, trainer of a dealing, gradients a applied before b:
 *         (orderedAtMs, partition) of the chunk of a ≤ that of the chunk of b
 *
 * The trainers of another dealing share the partitions out otherwise, so that their orders are
 * compared among themselves. Where a restart of one process deals them anew, the incarnations of
 * its shards are new ones too.
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { TrainerOptions } from "../../actors/trainer/options.ts";
import { nextRowOf } from "../../records/example_chunk.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";
import { TrainersOfSources } from "./trainers_of_sources.ts";

const SHARD = "embedding_shard/";

/** A chunk of one partition. */
interface OrderedChunk {
  readonly partition: number;
  readonly orderedAtMs: number;
  /** Rows of the partition up to its end. */
  readonly end: number;
}

export function orderedPartitions(context: CheckerContext): Checker {
  /** By source. */
  const chunks = new Map<string, OrderedChunk[]>();
  /** The newest chunk whose gradients were applied, by the shard's incarnation and trainer. */
  const newest = new Map<string, OrderedChunk>();
  /** Names of trainers with their dealing. */
  const trainers = new TrainersOfSources<string>();
  return {
    name: "ordered-partitions",
    began(actor, _host, options) {
      if (!actor.startsWith("trainer/")) return;
      const own = options as TrainerOptions;
      trainers.add(own, `${own.dealing} ${own.trainer}`);
    },
    durable(log, partition, records) {
      if (log !== "examples") return;
      const source = gradientSource(partition);
      const known = chunks.get(source) ?? [];
      chunks.set(source, known);
      for (const chunk of decodedChunks(records)) {
        known.push({ partition, orderedAtMs: chunk.orderedAtMs ?? 0, end: nextRowOf(chunk) });
      }
    },
    tailLost(log, partition, endOffset) {
      if (log !== "examples") return;
      chunks.get(gradientSource(partition))?.splice(endOffset);
      newest.clear();
    },
    answers(actor, request, value) {
      if (!actor.startsWith(SHARD)) return;
      const message = request as EmbeddingShardMessage;
      if (message.kind !== "applyGradients") return;
      if (!(value as { readonly applied: boolean }).applied) return;
      const { source, sequence, opening: { incarnation } } = message;
      const chunk = chunks.get(source)?.find(({ end }) => end >= sequence);
      if (chunk === undefined) return; // exactly-once reports rows that the log does not have
      const key = `${incarnation} ${trainers.of(message)}`;
      const before = newest.get(key);
      newest.set(key, chunk);
      if (before === undefined || isInOrder(before, chunk)) return;
      context.fail(
        `${actor} applied rows of partition ${chunk.partition} of the order ${chunk.orderedAtMs} ` +
          `after those of partition ${before.partition} of ${before.orderedAtMs}`,
      );
    },
  };
}

function isInOrder(before: OrderedChunk, after: OrderedChunk): boolean {
  if (before.orderedAtMs !== after.orderedAtMs) return before.orderedAtMs < after.orderedAtMs;
  return before.partition <= after.partition;
}
