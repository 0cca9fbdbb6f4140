/**
 * Chunks of a partition of the example log follow each other.
 *
 *     firstRow(n+1) = firstRow(n) + rows(n), and 1 more behind an erasure
 *     acceptedAtMs, eventOffset never fall;  replayOffset ≤ eventOffset
 */
import { type ExampleChunk, nextRowOf } from "../../records/example_chunk.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";

type ChunkHead = Pick<ExampleChunk, "firstRow" | "acceptedAtMs"> & {
  readonly nextRow: number;
  readonly resume: ExampleChunk["resume"] | undefined;
};

export function exampleChunks(context: CheckerContext): Checker {
  /** Heads of all chunks, by partition. */
  const heads = new Map<number, ChunkHead[]>();
  return {
    name: "example-chunks",
    durable(log, partition, records, firstOffset) {
      if (log !== "examples") return;
      decodedChunks(records).forEach((decoded, i) => {
        const { firstRow, acceptedAtMs, resume } = decoded;
        const chunk = { firstRow, nextRow: nextRowOf(decoded), acceptedAtMs, resume };
        const earlier = heads.get(partition) ?? [];
        const fault = faultOf(chunk, earlier.at(-1));
        if (fault !== undefined) {
          context.fail(`chunk ${firstOffset + i} of partition ${partition}: ${fault}`);
        }
        earlier.push(chunk);
        heads.set(partition, earlier);
      });
    },
    tailLost(log, partition, endOffset) {
      if (log === "examples") heads.get(partition)?.splice(endOffset);
    },
  };
}

function faultOf(chunk: ChunkHead, before: ChunkHead | undefined): string | undefined {
  const { firstRow, acceptedAtMs, resume } = chunk;
  if (resume !== undefined && resume.replayOffset > resume.eventOffset) {
    return `it replays from ${resume.replayOffset}, behind its event offset ${resume.eventOffset}`;
  }
  const expected = before === undefined ? 0 : before.nextRow;
  if (firstRow !== expected) return `its first row is ${firstRow}, expected ${expected}`;
  if (before === undefined) return undefined;
  if (acceptedAtMs < before.acceptedAtMs) {
    return `its acceptedAtMs fell from ${before.acceptedAtMs} to ${acceptedAtMs}`;
  }
  const fell = resume !== undefined && before.resume !== undefined &&
    resume.eventOffset < before.resume.eventOffset;
  return fell ? "its event offset fell" : undefined;
}
