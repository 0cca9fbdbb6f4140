/**
 * The first chunk that a partition of the example log still has. Chunks before it were trimmed:
 * the snapshots that were kept then had learned them.
 */
import type { EventLog } from "../mesh/ports/event_log.ts";
import { decodeExamples } from "./example_chunk.ts";

/** Position of that chunk. */
export interface ExampleBegin {
  readonly offset: number;
  /** Number of its first row: as many rows of the partition came before. */
  readonly row: number;
}

/** Undefined where the partition has no chunk. */
export async function exampleBegin(
  log: Pick<EventLog, "read">,
  partition: number,
): Promise<ExampleBegin | undefined> {
  const [first] = await log.read(partition, 0, 1);
  return first && { offset: first.offset, row: decodeExamples(first.bytes).firstRow };
}
