/**
 * A disk that outlives the simulated process: files, their names, and the faults that strike them.
 *
 * Names are made durable by a sync of their directory. A power failure keeps, of the changes that
 * were not synced, a prefix in the order of time, as file systems with a journal do.
 */
import { present } from "../../structures/invariant.ts";
import type { KeyedHash } from "../keyed_hash.ts";
import { FileContent } from "./file_content.ts";

/** The parts of a data directory, which faults strike one by one. */
export type DiskArea = "events" | "examples" | "blobs";

/** Observes a disk over all incarnations of the process. */
export interface DiskObserver {
  /** A file has a name now that is new on the disk. */
  made(path: string, content: FileContent): void;
  /** The file's content was synced. */
  synced(path: string, content: FileContent): void;
  renamed(path: string, content: FileContent): void;
  removed(path: string, content: FileContent): void;
  /** A power failure took names or content. */
  powerLost(operations: number): void;
}

/** A directory, or a file's content. */
type Entry = FileContent | "directory";

/** Names that change together. */
interface NameChange {
  /** From 0, in the order of time. */
  readonly number: number;
  readonly directory: string;
  readonly names: readonly (readonly [name: string, entry: Entry | undefined])[];
}

/** Errors of the system, named as Deno names them. */
export class DiskError extends Error {
  constructor(override readonly name: string, readonly code: string, message: string) {
    super(`${message} (simulated)`);
  }
}

/** The faults of an area, in virtual time since the run began, ms. */
export interface AreaFaults {
  /** No space is left until then. */
  fullUntilMs: number;
  /** About every second write fails until then. */
  writesFailUntilMs: number;
  /** Syncs fail until then. */
  syncsFailUntilMs: number;
  /** The next read returns a changed bit. */
  flipsNextRead: boolean;
}

const noFaults = (): AreaFaults => ({
  fullUntilMs: 0,
  writesFailUntilMs: 0,
  syncsFailUntilMs: 0,
  flipsNextRead: false,
});

/** Names of the files and directories of a disk; paths begin with `/`. */
export class SimulatedDisk {
  /** Content of directories by path; the root is always there. */
  readonly #directories = new Map<string, Map<string, Entry>>([["", new Map()]]);
  readonly #durableNames = new Map<string, Map<string, Entry>>([["", new Map()]]);
  /** Changes of names that no sync has made durable, by directory. */
  readonly #unsynced = new Map<string, NameChange[]>();
  #changes = 0;
  readonly #observer: DiskObserver;
  readonly faults: Readonly<Record<DiskArea, AreaFaults>> = {
    events: noFaults(),
    examples: noFaults(),
    blobs: noFaults(),
  };
  #files = 0;
  #powerFailures = 0;

  constructor(observer: DiskObserver) {
    this.#observer = observer;
  }

  /** @throws {DiskError} `NotFound` */
  entry(path: string): Entry {
    const entry = this.find(path);
    if (entry === undefined) throw new DiskError("NotFound", "ENOENT", `${path}: no such file`);
    return entry;
  }

  find(path: string): Entry | undefined {
    if (path === "" || path === "/") return "directory";
    const [directory, name] = split(path);
    return this.#directories.get(directory)?.get(name);
  }

  /** @throws {DiskError} `NotFound` */
  names(directory: string): [string, Entry][] {
    const names = this.#directories.get(directory.replace(/\/$/, ""));
    if (names === undefined) throw new DiskError("NotFound", "ENOENT", `${directory}: not found`);
    return [...names];
  }

  /** All files, by path. */
  *files(): Iterable<readonly [string, FileContent]> {
    for (const [directory, names] of this.#directories) {
      for (const [name, entry] of names) {
        if (entry !== "directory") yield [`${directory}/${name}`, entry];
      }
    }
  }

  /** The content of every file, as the process reads it. */
  *contents(): Iterable<readonly [string, Uint8Array]> {
    for (const [path, file] of this.files()) yield [path, file.cached];
  }

  makeFile(path: string): FileContent {
    const content = new FileContent(this.#files++);
    const [directory, name] = split(path);
    this.#change({ directory, names: [[name, content]] });
    this.#observer.made(path, content);
    return content;
  }

  makeDirectory(path: string): void {
    if (this.find(path) !== undefined) return;
    const [directory, name] = split(path);
    this.makeDirectory(directory);
    this.#change({ directory, names: [[name, "directory"]] });
  }

  remove(path: string): void {
    const entry = this.entry(path);
    if (entry === "directory" && this.names(path).length > 0) {
      throw new DiskError("Error", "ENOTEMPTY", `${path}: directory not empty`);
    }
    const [directory, name] = split(path);
    this.#change({ directory, names: [[name, undefined]] });
    if (entry !== "directory") this.#observer.removed(path, entry);
  }

  /** Within one directory. */
  rename(from: string, to: string): void {
    const entry = this.entry(from);
    const [[directory, before], [, name]] = [split(from), split(to)];
    this.#change({ directory, names: [[before, undefined], [name, entry]] });
    if (entry !== "directory") this.#observer.renamed(to, entry);
  }

  /** The names in a directory become durable. */
  syncDirectory(path: string): void {
    const directory = path === "/" ? "" : path;
    const changes = this.#unsynced.get(directory) ?? [];
    this.#unsynced.delete(directory);
    for (const change of changes) applyNames(this.#durableNames, change);
  }

  /** A sync of the content has ended. */
  endSync(path: string, content: FileContent, mark: number): void {
    content.endSync(mark);
    this.#observer.synced(path, content);
  }

  /** The machine loses power; all that runs is dead already. */
  losePower(draws: KeyedHash): void {
    const failure = this.#powerFailures++;
    const unsynced = [...this.#unsynced.values()].flat().sort((a, b) => a.number - b.number);
    const kept = Math.floor(draws.float(failure) * (unsynced.length + 1));
    let lost = unsynced.length - kept;
    for (const change of unsynced.slice(0, kept)) applyNames(this.#durableNames, change);
    this.#unsynced.clear();
    this.#directories.clear();
    for (const [directory, names] of this.#durableNames) {
      this.#directories.set(directory, new Map(names));
    }
    for (const [, content] of this.files()) lost += content.losePower(draws, failure + 1);
    this.#observer.powerLost(lost);
  }

  /** Ends all faults. */
  heal(): void {
    for (const faults of Object.values(this.faults)) Object.assign(faults, noFaults());
  }

  #change(named: Omit<NameChange, "number">): void {
    const change = { ...named, number: this.#changes++ };
    if (!this.#directories.has(change.directory)) {
      throw new DiskError("NotFound", "ENOENT", `${change.directory}: no such directory`);
    }
    applyNames(this.#directories, change);
    const changes = this.#unsynced.get(change.directory);
    if (changes === undefined) this.#unsynced.set(change.directory, [change]);
    else changes.push(change);
  }
}

function applyNames(
  directories: Map<string, Map<string, Entry>>,
  { directory, names }: NameChange,
): void {
  const target = directories.get(directory);
  if (target === undefined) return; // the directory itself was lost, or removed
  for (const [name, entry] of names) {
    const path = `${directory}/${name}`;
    if (target.get(name) === "directory") removeTree(directories, path);
    if (entry === undefined) target.delete(name);
    else target.set(name, entry);
    if (entry === "directory") directories.set(path, new Map());
  }
}

/**
 * Removes a directory and all below it. It was empty when it was removed, so a sync of its parent
 * makes the removals below it durable too: a journal keeps the order of changes.
 */
function removeTree(directories: Map<string, Map<string, Entry>>, path: string): void {
  for (const [name, entry] of directories.get(path) ?? []) {
    if (entry === "directory") removeTree(directories, `${path}/${name}`);
  }
  directories.delete(path);
}

function split(path: string): readonly [directory: string, name: string] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, slash), path.slice(slash + 1)];
}

/** The area of a path of the data directory; undefined outside all of them. */
export function areaOf(path: string): DiskArea | undefined {
  const [, , area] = path.split("/");
  return area === "events" || area === "examples" || area === "blobs" ? area : undefined;
}

/** The content of a path that is known to be a file. */
export function contentOf(disk: SimulatedDisk, path: string): FileContent {
  const entry = disk.entry(path);
  return present(entry === "directory" ? undefined : entry, "the path is a file's");
}
