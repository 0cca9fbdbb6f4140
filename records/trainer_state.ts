/**
 * The content of a trainer's blob in a snapshot, encoded by `encodePart`: a trainer that starts
 * from it goes on as if it had never stopped.
 */
import type { TrainingCheckpoint } from "../kernels/dense/training_session.ts";
import { BatchKernel } from "../kernels/embedding/batch_kernel.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import { decodePart, readPart, type TrainerPart } from "./snapshot_parts.ts";

/** The state of a trainer at a cut. */
export interface TrainerState {
  readonly model: TrainingCheckpoint;
  readonly judgement: BatchJudgement;
}

/** The trainer's memory of its last batches, by which it tells a broken model from bad rows. */
export interface BatchJudgement {
  /** For each of the last batches, whether most of its rows were refused; newest last. */
  readonly mostlyRefused: readonly boolean[];
  /** Batches up to the last one, without a gap, of which most rows were refused. */
  readonly refusedInARow: number;
  /**
   * Examples that the model has accepted, as an encoded example chunk; a sound model accepts them
   * again. Absent before the first batch, and after an erasure of some of them until the next one.
   */
  readonly reference?: Uint8Array | undefined;
}

/** The judgement before the first batch. */
export const NO_JUDGEMENT: BatchJudgement = { mostlyRefused: [], refusedInARow: 0 };

/**
 * The states of the trainers that have some parts of a snapshot, each once: all partitions of a
 * trainer have one checkpoint, and a restored snapshot has a copy for each of them.
 *
 * @throws {SnapshotError | BlobDamagedError} When one is missing or damaged.
 */
export async function readTrainerStates(
  blobs: BlobStore,
  parts: readonly TrainerPart[],
): Promise<TrainerState[]> {
  const kernel = BatchKernel.create();
  const distinct = new Map(parts.map(({ checkpoint }) => {
    return [`${checkpoint.checksum} ${checkpoint.bytes}`, checkpoint] as const;
  }));
  return await Promise.all([...distinct.values()].map(async (part) => {
    return decodePart<TrainerState>(await readPart(blobs, kernel, part));
  }));
}
