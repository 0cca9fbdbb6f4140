/**
 * The numbers of partitions of the logs, and the bounds of the joiners that share them. The id of a
 * ranking chooses its partition; joiners and trainers are dealt over them.
 */
import type { JoinerOptions } from "../actors/joiner/options.ts";
import type { PartitionCounts } from "../mesh/ports/partitioning.ts";
import type { CairnFile } from "./schema.ts";

/** Bounds of all joiners of a partitioning together. */
export type JoinerBounds = Pick<
  JoinerOptions,
  "impressionsMax" | "impressionsBytesMax" | "recordsRetained"
>;

/** The bounds of one of the joiners that share them. */
export function boundsPerJoiner(all: JoinerBounds, joiners: number): JoinerBounds {
  const { impressionsMax, impressionsBytesMax, recordsRetained } = all;
  return {
    impressionsMax: Math.ceil(impressionsMax / joiners),
    impressionsBytesMax: Math.ceil(impressionsBytesMax / joiners),
    recordsRetained: Math.ceil(recordsRetained / joiners),
  };
}

/** The partitionings of a configuration, oldest first. */
export function partitionCountsOf(
  { partitions, earlierPartitions }: {
    readonly partitions: PartitionCounts;
    readonly earlierPartitions: readonly PartitionCounts[];
  },
): readonly PartitionCounts[] {
  return [...earlierPartitions, partitions];
}

/** The partitions of a file. */
export function partitionsOf(
  { joiner, trainer }: Pick<CairnFile, "joiner" | "trainer">,
): PartitionCounts {
  const { partitions: events } = joiner;
  const { partitions = events * Math.ceil(trainer.count / events) } = trainer;
  return { events, examples: partitions };
}
