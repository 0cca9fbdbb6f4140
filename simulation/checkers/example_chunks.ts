/**
 * Chunks of a partition of the example log follow each other.
 *
 *     firstRow(n+1) = firstRow(n) + rows(n), and 1 more behind an erasure
 *     acceptedAtMs, eventOffset never fall;  replayOffset ≤ eventOffset
 */
import { type ExampleChunk, nextRowOf } from "../../records/example_chunk.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";

export function exampleChunks(context: CheckerContext): Checker {
  const newest = new Map<number, ExampleChunk>();
  return {
    name: "example-chunks",
    durable(log, partition, records, firstOffset) {
      if (log !== "examples") return;
      decodedChunks(records).forEach((chunk, i) => {
        const fault = faultOf(chunk, newest.get(partition));
        if (fault !== undefined) {
          context.fail(`chunk ${firstOffset + i} of partition ${partition}: ${fault}`);
        }
        newest.set(partition, chunk);
      });
    },
  };
}

function faultOf(chunk: ExampleChunk, before: ExampleChunk | undefined): string | undefined {
  const { firstRow, acceptedAtMs, resume } = chunk;
  if (resume !== undefined && resume.replayOffset > resume.eventOffset) {
    return `it replays from ${resume.replayOffset}, behind its event offset ${resume.eventOffset}`;
  }
  const expected = before === undefined ? 0 : nextRowOf(before);
  if (firstRow !== expected) return `its first row is ${firstRow}, expected ${expected}`;
  if (before === undefined) return undefined;
  if (acceptedAtMs < before.acceptedAtMs) {
    return `its acceptedAtMs fell from ${before.acceptedAtMs} to ${acceptedAtMs}`;
  }
  const fell = resume !== undefined && before.resume !== undefined &&
    resume.eventOffset < before.resume.eventOffset;
  return fell ? "its event offset fell" : undefined;
}
