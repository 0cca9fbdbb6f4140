/**
 * Reads the whole example log of a stopped server, trimmed records included, and counts its rows.
 */
import { readLogHeader } from "../../mesh/adapters/embedded/log_header.ts";
import { decodeHeader, decodeRecords } from "../../mesh/adapters/embedded/segment_block.ts";
import { SegmentBlocks } from "../../mesh/adapters/embedded/segment_blocks.ts";
import { listSegments } from "../../mesh/adapters/embedded/segment_files.ts";
import { decodeExamples, nextRowOf } from "../../records/example_chunk.ts";

const ID_BYTES = 8;

export interface ExampleRows {
  readonly rows: number;
  /** Rows that differ in their ids from all others. */
  readonly distinct: number;
  /** Rows whose numbers do not follow the row before, by partition. */
  readonly gaps: number;
}

export function countExampleRows(directory: string): ExampleRows {
  const seen = new Set<string>();
  let [rows, gaps] = [0, 0];
  for (let partition = 0; partition < (readLogHeader(directory) ?? 0); partition++) {
    let nextRow = 0;
    for (const { path } of listSegments(`${directory}/${partition}`)) {
      const blocks = new SegmentBlocks(path);
      for (let at = 0; blocks.isIntactAt(at);) {
        const block = blocks.blockAt(at);
        if (block === undefined) break;
        const { firstOffset, records } = decodeHeader(block);
        for (const { bytes } of decodeRecords(block, firstOffset, records)) {
          const chunk = decodeExamples(bytes);
          if (chunk.firstRow !== nextRow) gaps++;
          nextRow = nextRowOf(chunk);
          rows += chunk.rows;
          const offsets = new Uint32Array(chunk.listOffsets.slice().buffer);
          const slots = (offsets.length - 1) / Math.max(1, chunk.rows);
          for (let row = 0; row < chunk.rows; row++) {
            const [begin, end] = [row, row + 1].map((r) => offsets[r * slots] * ID_BYTES);
            seen.add(chunk.ids.subarray(begin, end).join());
          }
        }
        at += block.byteLength;
      }
      blocks.close();
    }
  }
  return { rows, distinct: seen.size, gaps };
}
