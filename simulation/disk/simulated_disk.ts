/**
 * A disk that outlives the simulated process: files, their names, and the faults that strike them.
 *
 * Names are made durable by a sync of their directory. That is of use as soon as the name of the
 * directory itself is durable, whichever of the two was synced first. A power failure keeps, of the
 * changes that were not synced, a prefix in the order of time, as file systems with a journal do.
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

/** A directory as it is, and as the disk has it. */
interface Directory {
  readonly names: Map<string, Node>;
  readonly durable: Map<string, Node>;
  /** Changes that no sync has made durable, in the order of time. */
  unsynced: NameChange[];
}

type Node = FileContent | Directory;

/** Names of a directory that change together. */
interface NameChange {
  /** From 0, in the order of time. */
  readonly number: number;
  readonly directory: Directory;
  readonly names: readonly (readonly [name: string, entry: Node | undefined])[];
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
  readonly #root = newDirectory();
  /** By path; the root is always there. */
  readonly #directories = new Map([["", this.#root]]);
  /** Directories with unsynced changes, also removed ones. */
  readonly #unsynced = new Set<Directory>();
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
    const node = this.#directories.get(directory)?.names.get(name);
    return node && entryOf(node);
  }

  /** @throws {DiskError} `NotFound` */
  names(directory: string): [string, Entry][] {
    const found = this.#directories.get(directory.replace(/\/$/, ""));
    if (found === undefined) throw new DiskError("NotFound", "ENOENT", `${directory}: not found`);
    return Array.from(found.names, ([name, node]) => [name, entryOf(node)]);
  }

  /** All files, by path. */
  *files(): Iterable<readonly [string, FileContent]> {
    for (const [directory, { names }] of this.#directories) {
      for (const [name, node] of names) {
        if (node instanceof FileContent) yield [`${directory}/${name}`, node];
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
    this.#change(directory, [[name, content]]);
    this.#observer.made(path, content);
    return content;
  }

  makeDirectory(path: string): void {
    if (this.find(path) !== undefined) return;
    const [directory, name] = split(path);
    this.makeDirectory(directory);
    this.#change(directory, [[name, newDirectory()]]);
  }

  remove(path: string): void {
    const entry = this.entry(path);
    if (entry === "directory" && this.names(path).length > 0) {
      throw new DiskError("Error", "ENOTEMPTY", `${path}: directory not empty`);
    }
    const [directory, name] = split(path);
    this.#change(directory, [[name, undefined]]);
    if (entry !== "directory") this.#observer.removed(path, entry);
  }

  /** Renames a file within its directory. */
  rename(from: string, to: string): void {
    const content = contentOf(this, from);
    const [[directory, before], [, name]] = [split(from), split(to)];
    this.#change(directory, [[before, undefined], [name, content]]);
    this.#observer.renamed(to, content);
  }

  /** The names in a directory become durable. */
  syncDirectory(path: string): void {
    const directory = this.#directories.get(path === "/" ? "" : path);
    if (directory === undefined) return;
    for (const change of directory.unsynced) applyNames(directory.durable, change);
    directory.unsynced = [];
    this.#unsynced.delete(directory);
  }

  /** A sync of the content has ended. */
  endSync(path: string, content: FileContent, mark: number): void {
    content.endSync(mark);
    this.#observer.synced(path, content);
  }

  /** The machine loses power; all that runs is dead already. */
  losePower(draws: KeyedHash): void {
    const failure = this.#powerFailures++;
    const unsynced = [...this.#unsynced].flatMap((directory) => directory.unsynced)
      .sort((a, b) => a.number - b.number);
    const kept = Math.floor(draws.float(failure) * (unsynced.length + 1));
    let lost = unsynced.length - kept;
    for (const change of unsynced.slice(0, kept)) applyNames(change.directory.durable, change);
    for (const directory of this.#unsynced) directory.unsynced = [];
    this.#unsynced.clear();
    this.#directories.clear();
    this.#goBack("", this.#root);
    for (const [, content] of this.files()) lost += content.losePower(draws, failure + 1);
    this.#observer.powerLost(lost);
  }

  /** Ends all faults. */
  heal(): void {
    for (const faults of Object.values(this.faults)) Object.assign(faults, noFaults());
  }

  /** Gives a directory, and those below it, the names that the disk has. */
  #goBack(path: string, directory: Directory): void {
    this.#directories.set(path, directory);
    directory.names.clear();
    for (const [name, node] of directory.durable) {
      directory.names.set(name, node);
      if (!(node instanceof FileContent)) this.#goBack(`${path}/${name}`, node);
    }
  }

  #change(path: string, names: NameChange["names"]): void {
    const directory = this.#directories.get(path);
    if (directory === undefined) {
      throw new DiskError("NotFound", "ENOENT", `${path}: no such directory`);
    }
    const change = { number: this.#changes++, directory, names };
    applyNames(directory.names, change);
    directory.unsynced.push(change);
    this.#unsynced.add(directory);
    for (const [name, node] of names) {
      if (node === undefined || node instanceof FileContent) {
        this.#directories.delete(`${path}/${name}`);
      } else this.#directories.set(`${path}/${name}`, node);
    }
  }
}

function newDirectory(): Directory {
  return { names: new Map(), durable: new Map(), unsynced: [] };
}

function entryOf(node: Node): Entry {
  return node instanceof FileContent ? node : "directory";
}

function applyNames(target: Map<string, Node>, { names }: NameChange): void {
  for (const [name, node] of names) {
    if (node === undefined) target.delete(name);
    else target.set(name, node);
  }
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
