/**
 * Journals the file operations of a test and builds disks as a power failure leaves them.
 *
 * Operations run for real and are noted in their order. A disk at a moment has all that was synced
 * before. Of the rest it has a random part: any subset of a file's unsynced writes, each cut at a
 * multiple of 512 bytes; and of a directory's unsynced changes of names the first few, since file
 * systems keep their order.
 */
import { dirname } from "node:path";
import { present } from "../../../../structures/invariant.ts";

/** A file's content, whatever its names. */
interface Inode {
  readonly number: number;
}

type Operation =
  | {
    readonly kind: "write";
    readonly inode: Inode;
    readonly at: number;
    readonly bytes: Uint8Array;
  }
  | { readonly kind: "truncate"; readonly inode: Inode; readonly length: number }
  | { readonly kind: "sync"; readonly inode: Inode }
  | { readonly kind: "name"; readonly path: string; readonly inode: Inode | undefined }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly inode: Inode }
  | { readonly kind: "syncDirectory"; readonly path: string }
  /** A durable append was answered: records before `endOffset` must survive. */
  | { readonly kind: "acknowledged"; readonly endOffset: number };

/** Draws numbers below `n`. */
export type Draw = (n: number) => number;

const SECTOR_BYTES = 512;

/** The content of files by path. */
export type DiskImage = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

export class DiskJournal {
  readonly operations: Operation[] = [];
  readonly #inodes = new Map<string, Inode>();
  readonly #files = new WeakMap<Deno.FsFile, { inode?: Inode; path: string; position: number }>();
  /** Directories that were made while journaling: they have names to lose. */
  readonly #directories = new Set<string>();
  #inodesMade = 0;

  acknowledged(endOffset: number): void {
    this.operations.push({ kind: "acknowledged", endOffset });
  }

  /** Journals until it is disposed. */
  record(): { [Symbol.dispose](): void } {
    const restore: (() => void)[] = [];
    const replace = <T extends object, K extends keyof T>(owner: T, name: K, value: T[K]) => {
      const original = owner[name];
      owner[name] = value;
      restore.push(() => owner[name] = original);
    };
    const { openSync, open, rename, remove, removeSync, mkdirSync } = Deno;
    const prototype = Deno.FsFile.prototype;
    const { seekSync, writeSync, write, truncateSync } = prototype;
    const { syncDataSync, syncData, sync, syncSync } = prototype;
    const stateOf = (file: Deno.FsFile) => present(this.#files.get(file), "a file was opened");

    replace(Deno, "openSync", (path, options) => {
      const file = openSync(path, options);
      this.#opened(file, String(path), options?.truncate ?? false);
      return file;
    });
    replace(Deno, "open", async (path, options) => {
      const file = await open(path, options);
      this.#opened(file, String(path), false);
      return file;
    });
    replace(Deno, "mkdirSync", (path, options) => {
      const made: string[] = [];
      for (let at = String(path); !exists(at); at = dirname(at)) made.push(at);
      mkdirSync(path, options);
      for (const folder of made.reverse()) this.#madeDirectory(folder);
    });
    replace(Deno, "rename", async (from, to) => {
      await rename(from, to);
      this.#renamed(String(from), String(to));
    });
    replace(Deno, "remove", async (path, options) => {
      await remove(path, options);
      this.#removed(String(path));
    });
    replace(Deno, "removeSync", (path, options) => {
      removeSync(path, options);
      this.#removed(String(path));
    });
    const written = (file: Deno.FsFile, bytes: Uint8Array) => {
      const state = stateOf(file);
      const inode = present(state.inode, "only files are written");
      this.operations.push({ kind: "write", inode, at: state.position, bytes: bytes.slice() });
      state.position += bytes.length;
    };
    replace(prototype, "seekSync", function (this: Deno.FsFile, offset, whence) {
      return stateOf(this).position = seekSync.call(this, offset, whence);
    });
    replace(prototype, "writeSync", function (this: Deno.FsFile, bytes) {
      const count = writeSync.call(this, bytes);
      written(this, bytes.subarray(0, count));
      return count;
    });
    replace(prototype, "write", async function (this: Deno.FsFile, bytes) {
      const count = await write.call(this, bytes);
      written(this, bytes.subarray(0, count));
      return count;
    });
    const { operations } = this;
    replace(prototype, "truncateSync", function (this: Deno.FsFile, length = 0) {
      truncateSync.call(this, length);
      const inode = present(stateOf(this).inode, "only files are truncated");
      operations.push({ kind: "truncate", inode, length });
    });
    const synced = (file: Deno.FsFile) => {
      const { inode, path } = stateOf(file);
      operations.push(inode ? { kind: "sync", inode } : { kind: "syncDirectory", path });
    };
    replace(prototype, "syncSync", function (this: Deno.FsFile) {
      syncSync.call(this);
      synced(this);
    });
    replace(prototype, "syncDataSync", function (this: Deno.FsFile) {
      syncDataSync.call(this);
      synced(this);
    });
    // A sync reaches the writes before its call, whatever is written until it returns.
    const asynchronously = async (file: Deno.FsFile, run: () => Promise<void>) => {
      const { inode, path } = stateOf(file);
      const before = operations.length;
      await run();
      const operation: Operation = inode
        ? { kind: "sync", inode }
        : { kind: "syncDirectory", path };
      const later = operations.slice(before).filter((other) =>
        "inode" in other && other.inode === inode && other.kind !== "sync"
      );
      // Moved behind the sync: the same file's later writes are not covered by it.
      for (const other of later) operations.splice(operations.indexOf(other), 1);
      operations.push(operation, ...later);
    };
    replace(prototype, "syncData", function (this: Deno.FsFile) {
      return asynchronously(this, () => syncData.call(this));
    });
    replace(prototype, "sync", function (this: Deno.FsFile) {
      return asynchronously(this, () => sync.call(this));
    });
    return {
      [Symbol.dispose]() {
        for (const undo of restore.reverse()) undo();
      },
    };
  }

  /** A disk after a power failure behind the first `count` operations. */
  crash(count: number, draw: Draw): { readonly image: DiskImage; readonly endOffset: number } {
    const names = new Map<string, Inode>();
    const contents = new Map<Inode, Uint8Array<ArrayBuffer>>();
    const unsynced = new Map<Inode, Operation[]>();
    const unsyncedNames = new Map<string, Operation[]>();
    let endOffset = 0;
    const applyName = (operation: Operation) => {
      if (operation.kind === "name") {
        if (operation.inode) names.set(operation.path, operation.inode);
        else names.delete(operation.path);
      } else if (operation.kind === "rename") {
        names.delete(operation.from);
        names.set(operation.to, operation.inode);
      }
    };
    for (const operation of this.operations.slice(0, count)) {
      switch (operation.kind) {
        case "write":
        case "truncate":
          listOf(unsynced, operation.inode).push(operation);
          break;
        case "sync":
          for (const change of listOf(unsynced, operation.inode).splice(0)) {
            apply(contents, change, undefined);
          }
          break;
        case "name":
          listOf(unsyncedNames, dirname(operation.path)).push(operation);
          break;
        case "rename":
          listOf(unsyncedNames, dirname(operation.to)).push(operation);
          break;
        case "syncDirectory":
          for (const change of listOf(unsyncedNames, operation.path).splice(0)) applyName(change);
          break;
        case "acknowledged":
          endOffset = Math.max(endOffset, operation.endOffset);
      }
    }
    for (const changes of unsynced.values()) {
      for (const change of changes) if (draw(2) === 0) apply(contents, change, draw);
    }
    for (const changes of unsyncedNames.values()) {
      for (const change of changes.slice(0, draw(changes.length + 1))) applyName(change);
    }
    const isReachable = (path: string): boolean => {
      const parent = dirname(path);
      if (!this.#directories.has(parent)) return true;
      return names.has(parent) && isReachable(parent);
    };
    const image = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const [path, inode] of names) {
      if (this.#directories.has(path) || !isReachable(path)) continue;
      image.set(path, contents.get(inode) ?? new Uint8Array());
    }
    return { image, endOffset };
  }

  #madeDirectory(path: string): void {
    const inode = { number: this.#inodesMade++ };
    this.#directories.add(path);
    this.operations.push({ kind: "name", path, inode });
  }

  #opened(file: Deno.FsFile, path: string, truncate: boolean): void {
    if (file.statSync().isDirectory) {
      this.#files.set(file, { path, position: 0 });
      return;
    }
    let inode = this.#inodes.get(path);
    if (inode === undefined) {
      inode = { number: this.#inodesMade++ };
      this.#inodes.set(path, inode);
      this.operations.push({ kind: "name", path, inode });
    } else if (truncate) this.operations.push({ kind: "truncate", inode, length: 0 });
    this.#files.set(file, { inode, path, position: 0 });
  }

  #renamed(from: string, to: string): void {
    const inode = present(this.#inodes.get(from), "a renamed file was opened");
    this.#inodes.delete(from);
    this.#inodes.set(to, inode);
    this.operations.push({ kind: "rename", from, to, inode });
  }

  #removed(path: string): void {
    if (this.#inodes.delete(path)) this.operations.push({ kind: "name", path, inode: undefined });
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function listOf<K>(lists: Map<K, Operation[]>, key: K): Operation[] {
  const list = lists.get(key) ?? [];
  lists.set(key, list);
  return list;
}

/** @param draw Tears a write; undefined for a whole one. */
function apply(
  contents: Map<Inode, Uint8Array<ArrayBuffer>>,
  change: Operation,
  draw: Draw | undefined,
): void {
  if (change.kind !== "write" && change.kind !== "truncate") return;
  const before = contents.get(change.inode) ?? new Uint8Array();
  if (change.kind === "truncate") {
    contents.set(change.inode, resized(before, change.length));
    return;
  }
  const { at, bytes } = change;
  let length = bytes.length;
  if (draw !== undefined && draw(2) === 0) {
    const sectors = Math.floor((at + length) / SECTOR_BYTES) - Math.floor(at / SECTOR_BYTES);
    const cut = (Math.floor(at / SECTOR_BYTES) + draw(sectors + 1)) * SECTOR_BYTES - at;
    length = Math.max(0, Math.min(length, cut));
  }
  // The length of a file may grow although its bytes are not there yet.
  const grown = draw !== undefined && draw(2) === 0 ? at + bytes.length : at + length;
  const after = resized(before, Math.max(before.length, grown));
  after.set(bytes.subarray(0, length), at);
  contents.set(change.inode, after);
}

function resized(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}
