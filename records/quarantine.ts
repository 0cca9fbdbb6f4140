/**
 * Examples that a trainer did not learn: single rows that the training step refused, and the
 * stretch of rows that it passed over when it went back to a snapshot. One JSON blob per trainer.
 */
import { type BlobStore, deleteUnfinishedPuts } from "../mesh/ports/blob_store.ts";

/** A row whose loss was not finite or exploded. */
export interface RefusedRow {
  /** Number of the row in its partition. */
  readonly row: number;
  /** Present where the log has lost the row since: another one may have its number. */
  readonly isLost?: true;
  /** Wall time of the refusal, ms. */
  readonly refusedAtMs: number;
  /** The loss and its limit, in words. */
  readonly reason: string;
  /** Data clock of the row's chunk, ms. */
  readonly atMs: number;
  /** By task; JSON has no NaN and no Infinity, so numbers are written as text. */
  readonly labels: readonly string[];
  readonly dense: readonly string[];
  readonly logSampleRate: string;
  /** Feature ids, decimal; slot after slot, the first {@link IDS_MAX}. */
  readonly ids: readonly string[];
}

/** Rows `[from, to)` of the partition that are not learned. */
export interface SkippedStretch {
  readonly from: number;
  readonly to: number;
  /** Wall time, ms. */
  readonly skippedAtMs: number;
  readonly reason: string;
  /** Version of the dense weights that were given up; the weights after them have higher ones. */
  readonly version: number;
}

/** The newest position in the example log that the rows and stretches of a quarantine reach. */
export interface QuarantineEnd {
  readonly offset: number;
  readonly sequence: number;
  /** CRC-32C of the newest chunk before it, see last_record.ts. */
  readonly lastChunk: number;
}

/** The quarantine of one trainer. */
export interface Quarantine {
  readonly format: 1;
  /** Oldest first, at most {@link ROWS_MAX}. */
  readonly rows: readonly RefusedRow[];
  /** Rows refused in all, also those that are no longer listed. */
  readonly rowsRefused: number;
  /** Number after the last refused row. Rows before it are recorded, and are not counted again. */
  readonly recordedBefore: number;
  readonly skipped: readonly SkippedStretch[];
  /** Absent before the first row or stretch, and where the log had not the chunk before it. */
  readonly end?: QuarantineEnd;
}

/** Refused rows that a quarantine lists. Beyond, the oldest are dropped. */
export const ROWS_MAX = 200;
/**
 * Ids that a refused row lists: a slot's list has up to 1,000, and each refusal writes all rows.
 */
export const IDS_MAX = 256;

/** A quarantine without rows. */
export const EMPTY_QUARANTINE: Quarantine = {
  format: 1,
  rows: [],
  rowsRefused: 0,
  recordedBefore: 0,
  skipped: [],
};

const PREFIX = "quarantine/";
const SUFFIX = ".json";

/** A quarantine as it is stored. */
export interface StoredQuarantine {
  readonly quarantine: Quarantine;
  /**
   * Tenure of the trainer that writes it. A trainer of an earlier tenure that goes on after a pause
   * writes another blob, which no later trainer reads. 0 = one process runs all parts.
   */
  readonly tenure: number;
}

/** A trainer as the names of blobs have it: `trainer-0`. */
function nameInBlobs(source: string): string {
  return source.replaceAll("/", "-");
}

/** The name of a trainer's quarantine in the blob store. */
function nameOf(source: string, tenure: number): string {
  const name = `${PREFIX}${nameInBlobs(source)}`;
  return tenure === 0 ? `${name}${SUFFIX}` : `${name}@${tenure}${SUFFIX}`;
}

/** Trainer and tenure of a blob's name. */
function partsOfName(name: string): { readonly trainer: string; readonly tenure: number } {
  const [trainer, tenure = "0"] = name.slice(PREFIX.length, -SUFFIX.length).split("@");
  return { trainer, tenure: Number(tenure) };
}

/** The tenures of a trainer's blobs, ascending. */
async function tenuresOf(blobs: BlobStore, source: string): Promise<number[]> {
  const names = await blobs.list(`${PREFIX}${nameInBlobs(source)}`);
  return names.map(partsOfName)
    .filter(({ trainer }) => trainer === nameInBlobs(source))
    .map(({ tenure }) => tenure).sort((a, b) => a - b);
}

/**
 * The quarantine of a trainer, of its latest tenure; empty before the first refusal.
 *
 * @throws {Error} When the blob is damaged.
 */
export async function readQuarantine(blobs: BlobStore, source: string): Promise<Quarantine> {
  return (await readStored(blobs, source)).quarantine;
}

/**
 * Takes the quarantine over for a tenure: from then on, a trainer of an earlier one changes nothing
 * that a later trainer reads.
 *
 * @param tenure Undefined where one process runs all parts: it goes on with the latest.
 * @throws {Error} When the blob is damaged, or the store refuses the blob of a new tenure.
 */
export async function takeOverQuarantine(
  blobs: BlobStore,
  source: string,
  tenure?: number,
): Promise<StoredQuarantine> {
  const found = await readStored(blobs, source, tenure);
  const own = tenure ?? found.tenure;
  if (found.tenure !== own) await writeQuarantine(blobs, source, found.quarantine, own);
  // Also where an earlier incarnation has made the blob: it may have ended before the deletes.
  await deleteEarlierQuarantines(blobs, new Map([[source, own]]));
  return { ...found, tenure: own };
}

/**
 * Deletes the blobs of earlier tenures, and the bytes of unfinished puts of these and the present
 * ones. Lists the store once for all quarantines: a list of a bucket takes tens of ms.
 *
 * @param tenures The present tenures, by source.
 */
export async function deleteEarlierQuarantines(
  blobs: BlobStore,
  tenures: ReadonlyMap<string, number>,
): Promise<void> {
  const present = new Map([...tenures].map(([source, tenure]) => [nameInBlobs(source), tenure]));
  /** How many tenures before the present one; undefined for other trainers. */
  const ageOf = (name: string) => {
    const { trainer, tenure } = partsOfName(name);
    const own = present.get(trainer);
    return own === undefined ? undefined : own - tenure;
  };
  for (const name of await blobs.list(PREFIX)) {
    if ((ageOf(name) ?? 0) > 0) await blobs.delete(name);
  }
  await deleteUnfinishedPuts(blobs, PREFIX, (name) => (ageOf(name) ?? -1) >= 0);
}

async function readStored(
  blobs: BlobStore,
  source: string,
  tenureMax = Infinity,
): Promise<StoredQuarantine> {
  const tenure = (await tenuresOf(blobs, source)).findLast((each) => each <= tenureMax) ?? 0;
  const name = nameOf(source, tenure);
  const bytes = await blobs.get(name);
  if (bytes === undefined) return { quarantine: EMPTY_QUARANTINE, tenure };
  try {
    return { quarantine: JSON.parse(new TextDecoder().decode(bytes)) as Quarantine, tenure };
  } catch (cause) {
    throw new Error(
      `Cannot read the blob ${name}: it is no JSON. Delete it: rows in it were not learned, and ` +
        "only the record of them is lost.",
      { cause },
    );
  }
}

/** The trainers that have a quarantine, as {@link readQuarantine} takes them. */
export async function listQuarantines(blobs: BlobStore): Promise<string[]> {
  const names = await blobs.list(PREFIX);
  return [...new Set(names.map((name) => partsOfName(name).trainer))];
}

/**
 * The quarantines of all trainers.
 *
 * @throws {Error} When a blob is damaged.
 */
export async function readQuarantines(
  blobs: BlobStore,
): Promise<{ readonly trainer: string; readonly quarantine: Quarantine }[]> {
  const trainers = await listQuarantines(blobs);
  return await Promise.all(trainers.map(async (trainer) => {
    return { trainer, quarantine: await readQuarantine(blobs, trainer) };
  }));
}

/** Replaces the quarantine of a trainer in its tenure. */
export async function writeQuarantine(
  blobs: BlobStore,
  source: string,
  quarantine: Quarantine,
  tenure = 0,
): Promise<void> {
  const text = JSON.stringify(quarantine, undefined, 1);
  await blobs.put(nameOf(source, tenure), new TextEncoder().encode(text));
}

/** The quarantine with more refused rows. Rows that it has recorded before are left out. */
export function withRefused(quarantine: Quarantine, rows: readonly RefusedRow[]): Quarantine {
  const fresh = rows
    .filter(({ row }) => row >= quarantine.recordedBefore)
    .map((row) => ({ ...row, ids: row.ids.slice(0, IDS_MAX) }));
  if (fresh.length === 0) return quarantine;
  return {
    ...quarantine,
    rows: [...quarantine.rows, ...fresh].slice(-ROWS_MAX),
    rowsRefused: quarantine.rowsRefused + fresh.length,
    recordedBefore: Math.max(...fresh.map(({ row }) => row)) + 1,
  };
}

/**
 * The quarantine after the log has lost its rows from `sequence` on, whose numbers other rows get:
 * those are recorded and learned as any row. The given-up versions stay given up.
 */
export function withLostFrom(quarantine: Quarantine, sequence: number): Quarantine {
  const { end: _, ...rest } = quarantine;
  return {
    ...rest,
    rows: quarantine.rows.map((row) => row.row < sequence ? row : { ...row, isLost: true }),
    recordedBefore: Math.min(quarantine.recordedBefore, sequence),
    skipped: quarantine.skipped.map((stretch) => ({
      ...stretch,
      to: Math.max(stretch.from, Math.min(stretch.to, sequence)),
    })),
  };
}

/** The number of a refused row in words: `17`. */
export function rowText({ row, isLost }: Pick<RefusedRow, "row" | "isLost">): string {
  return isLost ? `${row} (lost by the log since)` : String(row);
}

/** The rows of a stretch in words: `17 to 20`. */
export function stretchText({ from, to }: Pick<SkippedStretch, "from" | "to">): string {
  return from < to ? `${from} to ${to - 1}` : `from ${from} on (lost by the log since)`;
}
