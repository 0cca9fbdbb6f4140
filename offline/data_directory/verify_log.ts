/**
 * Reads a whole log without changing it, and checks each block, the offsets across segments, and
 * that each record can be decoded.
 */
import { CommittedOffsets } from "../../mesh/adapters/embedded/committed_offsets.ts";
import { denoFiles } from "../../mesh/adapters/deno/deno_files.ts";
import { durableEvidence } from "../../mesh/adapters/embedded/durable_evidence.ts";
import { FLOOR_NAME } from "../../mesh/adapters/embedded/log_partition.ts";
import { readLogHeader } from "../../mesh/adapters/embedded/log_header.ts";
import { requireBegin } from "../../mesh/adapters/embedded/partition_begin.ts";
import { decodeHeader, decodeRecords } from "../../mesh/adapters/embedded/segment_block.ts";
import { SegmentBlocks } from "../../mesh/adapters/embedded/segment_blocks.ts";
import { listSegments, type SegmentFile } from "../../mesh/adapters/embedded/segment_files.ts";
import { type DurableEvidence, judgeEnd } from "../../mesh/adapters/embedded/segment_recovery.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { isFolder } from "./existing_stores.ts";
import type { Findings } from "./findings.ts";

/** Throws for a record that its readers cannot decode. */
export type DecodeRecord = (record: Uint8Array) => unknown;

/** Checks the log in `directory`; adds to `findings`. */
export async function verifyLog(
  directory: string,
  decode: DecodeRecord,
  findings: Findings,
): Promise<void> {
  let partitions: number | undefined;
  try {
    partitions = readLogHeader(directory);
  } catch (error) {
    findings.problems.push(reasonOf(error));
    return;
  }
  if (partitions === undefined) {
    findings.problems.push(`${directory}/log.json is missing`);
    return;
  }
  findings.files++;
  for (let partition = 0; partition < partitions; partition++) {
    const folder = `${directory}/${partition}`;
    if (!await isFolder(folder)) {
      findings.problems.push(`${folder} is missing`);
      continue;
    }
    try {
      const offsets = await isFolder(`${directory}/offsets`)
        ? new CommittedOffsets(`${directory}/offsets`)
        : undefined;
      requireBegin(folder, offsets?.get(FLOOR_NAME, partition) ?? 0, denoFiles);
      const evidence = offsets && durableEvidence(folder, partition, offsets);
      verifyPartition(folder, evidence, decode, findings);
    } catch (error) {
      findings.problems.push(reasonOf(error));
    }
  }
}

function verifyPartition(
  folder: string,
  evidence: DurableEvidence | undefined,
  decode: DecodeRecord,
  findings: Findings,
): void {
  const segments = listSegments(folder);
  for (const [i, segment] of segments.entries()) {
    findings.files++;
    const { position, endOffset, bytes } = verifySegment(segment, decode, findings);
    const next = segments.at(i + 1);
    if (next === undefined) {
      verifyTail(segment, evidence, findings);
    } else if (position < bytes) {
      findings.problems.push(`${segment.path} has a damaged block at byte ${position}`);
    } else if (endOffset !== next.firstOffset) {
      findings.problems.push(
        `${folder} lacks records ${endOffset} to ${next.firstOffset - 1}, before ${next.path}`,
      );
    }
  }
}

/** Walks the blocks up to the first that is not intact, and decodes their records. */
function verifySegment(
  { path, firstOffset }: SegmentFile,
  decode: DecodeRecord,
  findings: Findings,
): { readonly position: number; readonly endOffset: number; readonly bytes: number } {
  const blocks = new SegmentBlocks(path);
  try {
    let [position, endOffset] = [0, firstOffset];
    while (blocks.isIntactAt(position)) {
      const block = blocks.blockAt(position);
      if (block === undefined) break;
      const { records, firstOffset: first } = decodeHeader(block);
      if (first !== endOffset) break;
      for (const { offset, bytes } of decodeRecords(block, first, records)) {
        try {
          decode(bytes);
        } catch (error) {
          findings.problems.push(
            `${path}: record ${offset} cannot be decoded: ${reasonOf(error)}`,
          );
        }
      }
      endOffset += records;
      position += block.byteLength;
    }
    return { position, endOffset, bytes: blocks.fileBytes };
  } finally {
    blocks.close();
  }
}

/** Judges the newest segment's end as the next start will. */
function verifyTail(
  segment: SegmentFile,
  evidence: DurableEvidence | undefined,
  findings: Findings,
): void {
  try {
    const { position, tail } = judgeEnd(segment, evidence);
    if (tail.every((byte) => byte === 0)) return;
    findings.notes.push(
      `${segment.path}: ${tail.byteLength} bytes from byte ${position} on were never durable; the ` +
        "next start cuts them off",
    );
  } catch (error) {
    findings.problems.push(reasonOf(error));
  }
}
