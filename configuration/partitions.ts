/**
 * The numbers of partitions of the logs. They are fixed when a log is made, since the id of a
 * ranking chooses its partition; joiners and trainers are dealt over them.
 */
import type { CairnFile } from "./schema.ts";

export interface LogPartitions {
  /** Each has a joiner. */
  readonly events: number;
  /** A multiple of `events`: a joiner writes every `events`-th. Each is read by one trainer. */
  readonly examples: number;
}

/** The partitions of a configuration. */
export function partitionsOf(
  { joiner, trainer }: Pick<CairnFile, "joiner" | "trainer">,
): LogPartitions {
  const { partitions: events } = joiner;
  const { partitions = events * Math.ceil(trainer.count / events) } = trainer;
  return { events, examples: partitions };
}
