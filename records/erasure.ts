/**
 * The records of an erasure in the blob store, without the user's id: the request, and a part by
 * each trainer that has removed rows.
 *
 *     erasures/{id}/request.json      written by the gateway before it answers
 *     erasures/{id}/trainer-0-1.json  written by trainer/0 when it has removed rows, in pass 1 or 2
 */
import {
  BlobDamagedError,
  type BlobStore,
  deleteUnfinishedPuts,
} from "../mesh/ports/blob_store.ts";

/** Times that an erasure goes through the logs; see `ErasureRequest.secondAt`. */
export type ErasurePass = 1 | 2;

/** A slot of crosses with the user. */
export interface ErasedCross {
  readonly slot: string;
  /** Combinations with every row of the other parts whose rows were removed. */
  readonly combinations: number;
  readonly rowsRemoved: number;
  /** `rows-may-stay`: a row of a value that has no row any more. `too-many`: none was removed. */
  readonly outcome: "complete" | "rows-may-stay" | "too-many";
}

/** Rows that one trainer had removed, in all shards. */
export interface TrainerErasure {
  readonly source: string;
  /** Position of the erasure in the example log. */
  readonly partition: number;
  readonly offset: number;
  /** The trainer's sequence behind it. A snapshot below holds rows of the user. */
  readonly sequence: number;
  /** Wall time, ms. */
  readonly atMs: number;
  /** Rows of the user's id, by slot; undefined where a replay found them removed. */
  readonly rowsRemoved?: number;
  readonly crosses: readonly ErasedCross[];
  /** Rows of the quarantine that were deleted. */
  readonly quarantined: number;
}

/** An erasure as its gateway goes on with it. */
export interface ErasureRequest {
  readonly erasureId: string;
  /** The host whose gateway goes on with it; absent where one process is all. */
  readonly host?: string;
  /** Wall times, ms. */
  readonly requestedAtMs: number;
  /** Time by which nothing holds the user any more, by the retention of the configuration. */
  readonly byMs: number;
  readonly profileRemoved: boolean;
  /** Rankings that the gateway's memory has dropped. */
  readonly rankingsForgotten: number;
  /** Offset of the erasure's record in the event log, by partition. */
  readonly firstAt: readonly number[];
  /**
   * The same of the record of pass 2, written when every request from before pass 1 has ended:
   * a ranking that was under way then may have been logged behind the first record.
   */
  readonly secondAt?: readonly number[];
  /**
   * Id of a later erasure of the same user, which makes pass 2 for this one too: the state that
   * follows from pass 2 is read from it.
   */
  readonly continuedBy?: string;
  /** When all serving replicas had the removals. */
  readonly servedAtMs?: number;
  /** When the user was found nowhere any more. */
  readonly completedAtMs?: number;
  /**
   * The oldest snapshot at that time; absent where there was none. All snapshots since go on from
   * snapshots without the user.
   */
  readonly cleanFrom?: string;
}

/** The fields of an erasure that say how far it is behind pass 2. */
export function progressOf(
  { secondAt, servedAtMs, completedAtMs, cleanFrom }: ErasureRequest,
): Partial<ErasureRequest> {
  return {
    ...(secondAt !== undefined && { secondAt }),
    ...(servedAtMs !== undefined && { servedAtMs }),
    ...(completedAtMs !== undefined && { completedAtMs }),
    ...(cleanFrom !== undefined && { cleanFrom }),
  };
}

const PREFIX = "erasures/";
const REQUEST = "/request.json";

/** Writes the state of an erasure, in place of the one before. */
export async function writeErasureRequest(
  blobs: BlobStore,
  request: ErasureRequest,
): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(request));
  await blobs.put(`${PREFIX}${request.erasureId}${REQUEST}`, bytes);
}

/** An erasure; undefined where there is none of this id. */
export async function readErasureRequest(
  blobs: BlobStore,
  erasureId: string,
): Promise<ErasureRequest | undefined> {
  return await readJson<ErasureRequest>(blobs, `${PREFIX}${erasureId}${REQUEST}`);
}

/** The ids of all erasures. */
export async function listErasures(blobs: BlobStore): Promise<string[]> {
  const names = await blobs.list(PREFIX);
  return names.filter((name) => name.endsWith(REQUEST))
    .map((name) => name.slice(PREFIX.length, -REQUEST.length));
}

/** Deletes the bytes of unfinished puts of an erasure's records. None of them may be under way. */
export async function deleteUnfinishedOf(blobs: BlobStore, erasureId: string): Promise<void> {
  await deleteUnfinishedPuts(blobs, `${PREFIX}${erasureId}/`);
}

/** The name of a trainer's part in the blob store. */
function trainerName(erasureId: string, source: string, pass: ErasurePass): string {
  return `${PREFIX}${erasureId}/${source.replaceAll("/", "-")}-${pass}.json`;
}

/** Writes a trainer's part; one that is there already stays where the rows are unknown now. */
export async function writeTrainerErasure(
  blobs: BlobStore,
  erasureId: string,
  pass: ErasurePass,
  erasure: TrainerErasure,
): Promise<void> {
  const name = trainerName(erasureId, erasure.source, pass);
  if (erasure.rowsRemoved === undefined && await isWhole(blobs, name)) return;
  await blobs.put(name, new TextEncoder().encode(JSON.stringify(erasure)));
}

/** Whether there is a blob of the name, and it is not damaged. */
async function isWhole(blobs: BlobStore, name: string): Promise<boolean> {
  try {
    return await blobs.get(name) !== undefined;
  } catch (error) {
    if (error instanceof BlobDamagedError) return false;
    throw error;
  }
}

/** A trainer's part; undefined before it has removed rows. */
export async function readTrainerErasure(
  blobs: BlobStore,
  erasureId: string,
  pass: ErasurePass,
  source: string,
): Promise<TrainerErasure | undefined> {
  return await readJson<TrainerErasure>(blobs, trainerName(erasureId, source, pass));
}

async function readJson<T>(blobs: BlobStore, name: string): Promise<T | undefined> {
  const bytes = await blobs.get(name);
  return bytes === undefined ? undefined : JSON.parse(new TextDecoder().decode(bytes)) as T;
}
