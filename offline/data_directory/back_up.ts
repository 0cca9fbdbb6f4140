/**
 * Copies a data directory while its server runs. The copy is a state from which the server could
 * have started: it has every event that was accepted before the backup began.
 *
 * Parts refer to earlier ones, so later ones are copied first: a snapshot names an offset of the
 * example log, and the newest example an offset of the event log. The server may trim a segment
 * meanwhile; so all segments are opened at the beginning, and an open file can be read after it was
 * deleted. The offsets that say how far a log is trimmed and durable are read before its segments:
 * the copied log then has at least the records that they name. The newest block may be half
 * written, which a start cuts off as after a crash.
 */
import { DatabaseSync } from "node:sqlite";
import { dirname, join, relative } from "node:path";
import { DataDirectoryError } from "../../mesh/adapters/embedded/data_directory.ts";
import { BEGIN_SUFFIX } from "../../mesh/adapters/embedded/partition_begin.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import {
  listSnapshots,
  manifestName,
  partsOf,
  readManifest,
} from "../../records/snapshot_manifest.ts";
import { SnapshotError } from "../../records/snapshot_parts.ts";
import { isFile, isFolder, openExistingBlobs } from "./existing_stores.ts";
import type { Findings } from "./findings.ts";
import { verifyDirectory } from "./verify_directory.ts";

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

export interface BackupOptions {
  /** The logs and the profiles are on Redis: the folder has snapshots alone. Default false. */
  readonly snapshotsOnly?: boolean;
}

/**
 * @param to Must not exist, or be empty.
 * @throws {DataDirectoryError} `from` is not a data directory.
 * @throws {BackupError} `to` holds something, or the copy is damaged.
 */
export async function backUp(
  from: string,
  to: string,
  { snapshotsOnly = false }: BackupOptions = {},
): Promise<BackedUp> {
  const hasLogs = await isFolder(`${from}/events`) && await isFolder(`${from}/examples`);
  if (hasLogs === snapshotsOnly) {
    throw new DataDirectoryError(
      hasLogs
        ? `${from} has logs in it, without which its snapshots are no backup: leave ` +
          "--snapshots-only out."
        : `${from} has no logs in it. Give the folder that storage.path names, on the machine of ` +
          "the server. Where the logs are on Redis, --snapshots-only copies the snapshots; back " +
          "the logs up there, after the snapshots.",
    );
  }
  if (snapshotsOnly) await openExistingBlobs(from);
  await requireEmpty(to);
  const copy = new DirectoryCopy(from, to);
  await using opened = new AsyncDisposableStack();
  const logs: LogCopy[] = [];
  for (const log of hasLogs ? ["events", "examples"] : []) {
    logs.push(opened.use(await LogCopy.begin(copy, log)));
  }
  await copyProfiles(copy);
  const snapshot = await copySnapshot(copy);
  await copyOtherBlobs(copy);
  if (await isFile(`${from}/import.json`)) await copy.file("import.json");
  for (const log of logs.toReversed()) await log.end();
  const findings = await verifyDirectory(to);
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

/** Copies files to the same path below another folder, and counts them. */
class DirectoryCopy {
  files = 0;
  bytes = 0;

  constructor(readonly from: string, readonly to: string) {}

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
async function copySnapshot(copy: DirectoryCopy): Promise<string | undefined> {
  if (!await isFolder(`${copy.from}/blobs`)) return undefined;
  const blobs = await openExistingBlobs(copy.from);
  let failure: unknown;
  for (let tries = 0; tries < SNAPSHOT_TRIES; tries++) {
    const [name] = await listSnapshots(blobs);
    if (name === undefined) return undefined;
    try {
      // Its parts may lie under earlier snapshots, from which it is a chain of changes.
      const manifest = await readManifest(blobs, name);
      for (const part of partsOf(manifest)) await copy.file(`blobs/${part.name}`);
      await copy.file(`blobs/${manifestName(name)}`);
      return name.slice(name.indexOf("/") + 1);
    } catch (error) {
      const isDeleted = error instanceof Deno.errors.NotFound || error instanceof SnapshotError;
      if (!isDeleted) throw error;
      failure = error;
      await Deno.remove(`${copy.to}/blobs/snapshots`, { recursive: true }).catch(() => {});
    }
  }
  throw new BackupError(
    `Snapshots are deleted faster than they can be copied: ${reasonOf(failure)}. Raise ` +
      "storage.snapshots.interval or storage.snapshots.retained.",
  );
}

async function copyOtherBlobs(copy: DirectoryCopy): Promise<void> {
  if (!await isFolder(`${copy.from}/blobs`)) return;
  for (const path of await filesBelow(copy.from, "blobs")) {
    if (path.startsWith("blobs/snapshots/") || path.endsWith(".tmp")) continue;
    await ifThere(() => copy.file(path));
  }
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
