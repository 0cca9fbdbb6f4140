/**
 * Copies the data of a server into a directory while the server runs. The copy is a state from
 * which the server could have started: it has every event that was accepted before the backup
 * began.
 *
 * Parts refer to earlier ones, so later ones are copied first: a snapshot names an offset of the
 * example log, and the newest example an offset of the event log. The server may trim a segment
 * meanwhile; so all segments are opened at the beginning, and an open file can be read after it was
 * deleted. The offsets that say how far a log is trimmed and durable are read before its segments:
 * the copied log then has at least the records that they name. The newest block may be half
 * written, which a start cuts off as after a crash.
 */
import { DatabaseSync } from "node:sqlite";
import { basename, dirname, join, relative } from "node:path";
import { DataDirectoryError } from "../../mesh/adapters/embedded/data_directory.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { BEGIN_SUFFIX } from "../../mesh/adapters/embedded/partition_begin.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import {
  listSnapshots,
  manifestName,
  partsOf,
  readManifest,
} from "../../records/snapshot_manifest.ts";
import { SnapshotError } from "../../records/snapshot_parts.ts";
import {
  blobsPlace,
  type DataPlaces,
  inDirectory,
  isFile,
  isFolder,
  openExistingBlobs,
} from "./existing_stores.ts";
import type { Findings } from "./findings.ts";
import { verifyData } from "./verify_directory.ts";

/** Snapshots are tried in turn when one is deleted while it is copied. */
const SNAPSHOT_TRIES = 5;
/** A trim that renames the beginning while it is copied is followed this often. */
const BEGIN_TRIES = 5;
const BUFFER_BYTES = 1 << 20;

export interface BackedUp {
  readonly files: number;
  readonly bytes: number;
  /** Name of the snapshot in the copy; undefined where there was none. */
  readonly snapshot: string | undefined;
  readonly findings: Findings;
}

/** A backup cannot be made, or the copy is not whole. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/**
 * Copies the logs, the profiles and the blobs; where the logs are on Redis, the blobs alone.
 *
 * @param to Must not exist, or be empty.
 * @throws {DataDirectoryError} `from` has no logs, or no blobs where these are all.
 * @throws {BackupError} `to` holds something, or the copy is damaged.
 * @throws {BlobDamagedError | BlobStoreError} When a blob cannot be read.
 */
export async function backUp(from: DataPlaces, to: string): Promise<BackedUp> {
  const { directory, logsOnRedis, s3 } = from;
  const hasLogs = await isFolder(`${directory}/events`) && await isFolder(`${directory}/examples`);
  if (!logsOnRedis && !hasLogs) {
    throw new DataDirectoryError(
      `${directory} has no logs in it. Give the folder that storage.path names, on the machine of ` +
        "the server. Where the logs are on Redis, give the configuration: then the snapshots are " +
        "copied; back the logs up there, after the snapshots.",
    );
  }
  const hasBlobs = logsOnRedis || s3 !== undefined || await isFolder(`${directory}/blobs`);
  const blobs = hasBlobs ? await openExistingBlobs(from) : undefined;
  await requireEmpty(to);
  const copy = new DirectoryCopy(directory, to);
  await using opened = new AsyncDisposableStack();
  const logs: LogCopy[] = [];
  for (const log of logsOnRedis ? [] : ["events", "examples"]) {
    logs.push(opened.use(await LogCopy.begin(copy, log)));
  }
  if (!logsOnRedis) await copyProfiles(copy);
  const snapshot = blobs && await copySnapshot(blobs, copy);
  if (logsOnRedis && snapshot === undefined) {
    throw new BackupError(`There is no snapshot yet in ${blobsPlace(from)}. Try again later.`);
  }
  if (!logsOnRedis && snapshot === undefined && await isTrimmed(copy)) {
    throw new BackupError(
      `${
        blobsPlace(from)
      } holds no snapshot, and examples that one had were trimmed: the logs alone ` +
        "are no backup. Where snapshots lie in a bucket, give the configuration that names it.",
    );
  }
  if (blobs) await copyOtherBlobs(blobs, copy);
  if (await isFile(`${directory}/import.json`)) await copy.file("import.json");
  for (const log of logs.toReversed()) await log.end();
  const findings = await verifyData({ ...inDirectory(to), logsOnRedis });
  if (findings.problems.length > 0) {
    throw new BackupError(
      `The copy ${to} is not whole: ${
        findings.problems.join("; ")
      }. Delete it and run the backup ` +
        "again; if it fails again, check the original by `cairn data verify` when its server is " +
        "stopped.",
    );
  }
  return { files: copy.files, bytes: copy.bytes, snapshot, findings };
}

async function requireEmpty(to: string): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(to)) {
      throw new BackupError(`${to} has ${name} in it. Give an empty folder, or one to be made.`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await Deno.mkdir(to, { recursive: true });
  }
}

/** Copies files to the same path below another folder, and blobs into it; counts both. */
class DirectoryCopy {
  readonly #blobs: DirectoryBlobStore;
  files = 0;
  bytes = 0;

  constructor(readonly from: string, readonly to: string) {
    this.#blobs = new DirectoryBlobStore(`${to}/blobs`);
  }

  /** False where there is no such blob any more. */
  async blob(blobs: BlobStore, name: string): Promise<boolean> {
    const bytes = await blobs.get(name);
    if (bytes === undefined) return false;
    await this.#blobs.put(name, bytes);
    this.files++;
    this.bytes += bytes.byteLength;
    return true;
  }

  /** @param path Relative to both folders. */
  async file(path: string): Promise<void> {
    using source = await Deno.open(join(this.from, path));
    await this.opened(source, path);
  }

  /** The bytes that the file has now; bytes appended meanwhile are left out. */
  async opened(source: Deno.FsFile, path: string): Promise<void> {
    const target = join(this.to, path);
    await Deno.mkdir(dirname(target), { recursive: true });
    using file = await Deno.open(target, { write: true, create: true, truncate: true });
    await source.seek(0, Deno.SeekMode.Start);
    const buffer = new Uint8Array(BUFFER_BYTES);
    for (let left = (await source.stat()).size; left > 0;) {
      const read = await source.read(buffer.subarray(0, Math.min(left, BUFFER_BYTES)));
      if (read === null) break;
      left -= read;
      this.bytes += read;
      for (let written = 0; written < read;) {
        written += await file.write(buffer.subarray(written, read));
      }
    }
    await file.sync();
    this.files++;
  }
}

/** One log: its offsets first, its segments at the end. */
class LogCopy implements AsyncDisposable {
  readonly #copy: DirectoryCopy;
  readonly #log: string;
  readonly #segments: ReadonlyMap<string, Deno.FsFile>;

  private constructor(
    copy: DirectoryCopy,
    log: string,
    segments: ReadonlyMap<string, Deno.FsFile>,
  ) {
    this.#copy = copy;
    this.#log = log;
    this.#segments = segments;
  }

  static async begin(copy: DirectoryCopy, log: string): Promise<LogCopy> {
    const segments = new Map<string, Deno.FsFile>();
    const others: string[] = [];
    for (const path of await filesBelow(copy.from, log)) {
      if (!path.endsWith(".segment")) others.push(path);
      else await ifThere(async () => segments.set(path, await Deno.open(join(copy.from, path))));
    }
    const left = [".torn", ".tmp", BEGIN_SUFFIX];
    for (const path of others) {
      if (!left.some((suffix) => path.endsWith(suffix))) await ifThere(() => copy.file(path));
    }
    await copyBegins(copy, log);
    return new LogCopy(copy, log, segments);
  }

  /** Copies the segments of the beginning, and those that were begun since. */
  async end(): Promise<void> {
    const newer = (await filesBelow(this.#copy.from, this.#log))
      .filter((path) => path.endsWith(".segment") && !this.#segments.has(path));
    for (const [path, opened] of this.#segments) await this.#copy.opened(opened, path);
    for (const path of newer) await ifThere(() => this.#copy.file(path));
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const opened of this.#segments.values()) opened.close();
    return Promise.resolve();
  }
}

/** Copies the beginnings of a log's partitions, which a trim renames. */
async function copyBegins(copy: DirectoryCopy, log: string): Promise<void> {
  for (let tries = 0; tries < BEGIN_TRIES; tries++) {
    const paths = (await filesBelow(copy.from, log)).filter((path) => path.endsWith(BEGIN_SUFFIX));
    const isCopied = paths.map((path) => ifThere(() => copy.file(path)));
    if ((await Promise.all(isCopied)).every(Boolean)) return;
  }
}

/** Whether the example log begins behind its first record, as it does after a snapshot. */
async function isTrimmed({ from }: DirectoryCopy): Promise<boolean> {
  const begins = (await filesBelow(from, "examples")).filter((path) => path.endsWith(BEGIN_SUFFIX));
  return begins.some((path) => Number(basename(path, BEGIN_SUFFIX)) > 0);
}

/**
 * Copies the database, then its write-ahead log, while a read transaction is open. Until it ends
 * SQLite neither shortens nor reuses the log, so the copied log has every page that was moved into
 * the database meanwhile. (`VACUUM INTO` attaches a database, which a restricted process may not.)
 *
 * @see https://www.sqlite.org/wal.html
 */
async function copyProfiles(copy: DirectoryCopy): Promise<void> {
  const path = `${copy.from}/profiles.db`;
  if (!await isFile(path)) return;
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.prepare("BEGIN").run();
    // A transaction begins with its first read.
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
    await copy.file("profiles.db");
    await ifThere(() => copy.file("profiles.db-wal"));
    database.prepare("ROLLBACK").run();
  } finally {
    database.close();
  }
}

/** Copies the newest finished snapshot. The server deletes older ones when it takes another. */
async function copySnapshot(blobs: BlobStore, copy: DirectoryCopy): Promise<string | undefined> {
  let failure: unknown;
  for (let tries = 0; tries < SNAPSHOT_TRIES; tries++) {
    const [name] = await listSnapshots(blobs);
    if (name === undefined) return undefined;
    try {
      // Its parts may lie under earlier snapshots, from which it is a chain of changes.
      const parts = partsOf(await readManifest(blobs, name)).map((part) => part.name);
      for (const blob of [...parts, manifestName(name)]) {
        if (!await copy.blob(blobs, blob)) throw new SnapshotError(blob, "it is missing");
      }
      return name.slice(name.indexOf("/") + 1);
    } catch (error) {
      if (!(error instanceof SnapshotError)) throw error;
      failure = error;
      await Deno.remove(`${copy.to}/blobs/snapshots`, { recursive: true }).catch(() => {});
    }
  }
  throw new BackupError(
    `Snapshots are deleted faster than they can be copied: ${reasonOf(failure)}. Raise ` +
      "storage.snapshots.interval or storage.snapshots.retained.",
  );
}

async function copyOtherBlobs(blobs: BlobStore, copy: DirectoryCopy): Promise<void> {
  const names = (await blobs.list("")).filter((name) => !name.startsWith("snapshots/"));
  for (const name of names) await copy.blob(blobs, name);
}

/** Files below a folder, relative to `root`; a file that is deleted meanwhile may lack. */
async function filesBelow(root: string, folder: string): Promise<string[]> {
  const paths: string[] = [];
  const pending = [join(root, folder)];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for await (const { name, isDirectory } of Deno.readDir(next)) {
      const path = join(next, name);
      if (isDirectory) pending.push(path);
      else paths.push(relative(root, path));
    }
  }
  return paths.sort();
}

/** False where a file was deleted or renamed meanwhile. */
async function ifThere(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
