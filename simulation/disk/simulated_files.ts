/**
 * The files port over a {@link SimulatedDisk}, for one thread of one incarnation of the process.
 * Syncs take virtual time; a sync that the thread waits for stalls it. After the process has died,
 * nothing that was asked of it has an effect or an answer.
 */
import type {
  DirectoryEntry,
  Files,
  OpenFile,
  OpenFileOptions,
  PageRelease,
} from "../../mesh/ports/files.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import type { NodeClock } from "../world/node_clock.ts";
import type { FileContent } from "./file_content.ts";
import { SimulatedDirectory } from "./simulated_directory.ts";
import { SimulatedFile } from "./simulated_file.ts";
import {
  type AreaFaults,
  areaOf,
  contentOf,
  DiskError,
  type SimulatedDisk,
} from "./simulated_disk.ts";

/** How a thread sees a disk. */
export interface SimulatedFilesOptions {
  readonly disk: SimulatedDisk;
  readonly clock: NodeClock;
  /** In the names of temporary files. */
  readonly user: string;
  /** Draws the latency of the n-th sync, and the fate of operations under faults. */
  readonly draws: KeyedHash;
  /** Mean latency of a sync, ms. */
  readonly syncMs: number;
  /** Further latency at this moment, ms. */
  readonly extraMs: () => number;
}

/** Numbers below are syncs'; faults draw from here on. */
const FAULT_DRAWS = 2 ** 30;

/** Files of a simulated thread. */
export class SimulatedFiles implements Files {
  readonly user: string;
  readonly #options: SimulatedFilesOptions;
  #syncs = 0;
  #faults = 0;

  constructor(options: SimulatedFilesOptions) {
    this.user = options.user;
    this.#options = options;
  }

  openSync(path: string, options: OpenFileOptions): OpenFile {
    this.#checkAlive();
    const { disk } = this.#options;
    const found = disk.find(path);
    if (found === "directory") return new SimulatedDirectory(path, this);
    if (found !== undefined && options.createNew === true) {
      throw new DiskError("AlreadyExists", "EEXIST", `${path}: it exists`);
    }
    if (found !== undefined) {
      if (options.truncate === true && found.size > 0) found.truncate(0);
      return new SimulatedFile(path, found, this);
    }
    if (options.create !== true && options.createNew !== true) contentOf(disk, path);
    this.checkWritable(path);
    return new SimulatedFile(path, disk.makeFile(path), this);
  }

  // deno-lint-ignore require-await -- errors become rejections
  async open(path: string, options: OpenFileOptions): Promise<OpenFile> {
    return this.openSync(path, options);
  }

  // deno-lint-ignore require-await -- errors become rejections
  async readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
    return this.readFileSync(path);
  }

  readFileSync(path: string): Uint8Array<ArrayBuffer> {
    this.#checkAlive();
    const bytes = contentOf(this.#options.disk, path).cached.slice();
    this.spoil(path, bytes);
    return bytes;
  }

  readDirSync(path: string): Iterable<DirectoryEntry> {
    this.#checkAlive();
    return this.#options.disk.names(path).map(([name, entry]) => ({
      name,
      isFile: entry !== "directory",
      isDirectory: entry === "directory",
    }));
  }

  statSync(path: string): { readonly size: number } {
    const entry = this.#options.disk.entry(path);
    return { size: entry === "directory" ? 0 : entry.size };
  }

  mkdirSync(path: string): void {
    this.#checkAlive();
    if (this.#options.disk.find(path) !== undefined) return;
    this.checkWritable(path);
    this.#options.disk.makeDirectory(path);
  }

  removeSync(path: string): void {
    this.#checkAlive();
    this.#options.disk.remove(path);
  }

  remove(path: string): Promise<void> {
    return this.#now(() => this.#options.disk.remove(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#now(() => this.#options.disk.rename(from, to));
  }

  dropCachedPages(path: string): void {
    contentOf(this.#options.disk, path).dropCache();
  }

  releasePages(): PageRelease {
    return { follow: () => {}, close: () => Promise.resolve() };
  }

  /** @throws {DiskError} When the area of the path takes nothing now. */
  checkWritable(path: string): void {
    this.#checkAlive();
    const faults = this.#faultsOf(path);
    const nowMs = this.#options.clock.monotonicMs();
    if (faults === undefined) return;
    if (nowMs < faults.fullUntilMs) {
      throw new DiskError("Error", "ENOSPC", `${path}: no space left on the disk`);
    }
    if (nowMs < faults.writesFailUntilMs && this.#draw() < 0.5) {
      throw new DiskError("Error", "EIO", `${path}: input/output error`);
    }
  }

  /** Bytes of a write that fit before it fails: some or none; all where nothing is wrong. */
  writableBytes(path: string, bytes: number): number {
    try {
      this.checkWritable(path);
      return bytes;
    } catch (error) {
      const part = Math.floor(this.#draw() * 2 * bytes) - bytes;
      if (part <= 0) throw error;
      return part;
    }
  }

  /** Changes a bit of bytes that were read, where a fault asks for it. */
  spoil(path: string, bytes: Uint8Array): void {
    const faults = this.#faultsOf(path);
    if (faults === undefined || !faults.flipsNextRead || bytes.byteLength === 0) return;
    faults.flipsNextRead = false;
    const bit = Math.floor(this.#draw() * bytes.byteLength * 8);
    bytes[bit >>> 3] ^= 1 << (bit & 7);
  }

  sync(path: string, content: FileContent): Promise<void> {
    const mark = content.syncMark();
    return this.#later(path, () => this.#options.disk.endSync(path, content, mark), () => {
      content.failSync(mark);
    });
  }

  syncSync(path: string, content: FileContent): void {
    this.#checkAlive();
    const mark = content.syncMark();
    this.#stall();
    if (this.#syncFails(path)) {
      content.failSync(mark);
      throw syncError(path);
    }
    this.#options.disk.endSync(path, content, mark);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later(path, () => this.#options.disk.syncDirectory(path), () => {});
  }

  syncDirectorySync(path: string): void {
    this.#checkAlive();
    this.#stall();
    if (this.#syncFails(path)) throw syncError(path);
    this.#options.disk.syncDirectory(path);
  }

  /** The thread waits for the disk. */
  #stall(): void {
    this.#options.clock.stall(this.#syncMs());
  }

  #later(path: string, effect: () => void, failed: () => void): Promise<void> {
    if (this.#options.clock.revoked) return never();
    return new Promise((resolve, reject) => {
      this.#options.clock.schedule(this.#syncMs(), () => {
        if (this.#syncFails(path)) {
          failed();
          reject(syncError(path));
        } else {
          effect();
          resolve();
        }
      });
    });
  }

  #now(effect: () => void): Promise<void> {
    if (this.#options.clock.revoked) return never();
    try {
      effect();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #syncMs(): number {
    const { draws, syncMs, extraMs } = this.#options;
    return draws.exponential(this.#syncs++) * syncMs + extraMs();
  }

  #draw(): number {
    return this.#options.draws.float(FAULT_DRAWS + this.#faults++);
  }

  #syncFails(path: string): boolean {
    const faults = this.#faultsOf(path);
    return faults !== undefined && this.#options.clock.monotonicMs() < faults.syncsFailUntilMs;
  }

  #faultsOf(path: string): AreaFaults | undefined {
    const area = areaOf(path);
    return area && this.#options.disk.faults[area];
  }

  #checkAlive(): void {
    if (this.#options.clock.revoked) throw new Error("the simulated process is dead");
  }
}

function syncError(path: string): DiskError {
  return new DiskError("Error", "EIO", `${path}: input/output error while syncing`);
}

/** A dead process gets no answer. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}
