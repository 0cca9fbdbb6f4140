/**
 * Blobs as files in a directory; a name's slashes are its folders. A file ends with a checksum of
 * its blob, so that damage to any blob is an error that names the file:
 *
 *     0     the blob, n bytes
 *     n     u8[4]  "CRNB"
 *     n+4   u32    CRC-32 (IEEE) of the blob, little-endian
 */
import { crc32 } from "node:zlib";
import { BlobDamagedError, type BlobStore } from "../../ports/blob_store.ts";
import { type DirectoryEntry, type Files, isNotFound } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { makeDirectory, syncDirectory, syncDirectoryAsync } from "./durable_directory.ts";
import { isTemporary, replaceFile, targetOfTemporary } from "./small_file.ts";

const MAGIC = new TextEncoder().encode("CRNB");
const FOOTER_BYTES = 8;
/** Bytes whose checksum is computed at a time; between two parts the event loop gets a turn. */
const CHECKSUM_BYTES_MAX = 4 * 1024 * 1024;

export class DirectoryBlobStore implements BlobStore {
  readonly #directory: string;
  readonly #files: Files;

  /** @param directory Made by the first put: an opening needs no space on the disk. */
  constructor(directory: string, files: Files = denoFiles) {
    this.#directory = directory;
    this.#files = files;
    this.#syncFolders("");
  }

  /** Makes deletions durable that a process before this one had begun and not synced. */
  #syncFolders(folder: string): void {
    const path = `${this.#directory}${folder}`;
    for (const { name, isDirectory } of this.#entries(path)) {
      if (isDirectory) this.#syncFolders(`${folder}/${name}`);
    }
    try {
      syncDirectory(path, this.#files);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name);
    const footer = new Uint8Array(FOOTER_BYTES);
    footer.set(MAGIC);
    new DataView(footer.buffer).setUint32(MAGIC.length, await checksumOf(bytes), true);
    makeDirectory(folderOf(path), this.#files);
    await replaceFile(path, [bytes, footer], this.#files);
  }

  /** @throws {BlobDamagedError} */
  async get(name: string): Promise<Uint8Array | undefined> {
    const path = this.#path(name);
    const file = await this.#files.readFile(path).catch((error) => {
      if (isNotFound(error)) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    const length = file.byteLength - FOOTER_BYTES;
    const footer = file.subarray(Math.max(0, length));
    if (length < 0 || MAGIC.some((byte, i) => footer[i] !== byte)) {
      throw new BlobDamagedError(name, path, "its end is missing");
    }
    const checksum = new DataView(file.buffer, length).getUint32(MAGIC.length, true);
    if (checksum !== await checksumOf(file.subarray(0, length))) {
      throw new BlobDamagedError(name, path, "its checksum does not match its bytes");
    }
    return new Uint8Array(file.buffer.transfer(length));
  }

  list(prefix: string): Promise<string[]> {
    return Promise.try(() => this.#names(prefix, (path) => isTemporary(path) ? undefined : path));
  }

  /** Deletes a blob, and folders that are empty then. */
  async delete(name: string): Promise<void> {
    await this.#remove([this.#path(name)]);
  }

  listUnfinished(prefix: string): Promise<string[]> {
    return Promise.try(() => [...new Set(this.#names(prefix, targetOfTemporary))]);
  }

  async deleteUnfinished(name: string): Promise<void> {
    const path = this.#path(name);
    const folder = folderOf(path);
    const paths = this.#entries(folder).map((entry) => `${folder}/${entry.name}`);
    await this.#remove(paths.filter((each) => targetOfTemporary(each) === path));
  }

  /**
   * Names of the blobs below a prefix, ascending. Reads no folders of other names: the read of a
   * folder of a network volume holds up the thread.
   *
   * @param blobOf Path of the blob to which a file belongs; undefined = the file is passed over.
   */
  #names(prefix: string, blobOf: (path: string) => string | undefined): string[] {
    const names: string[] = [];
    const walk = (folder: string) => {
      for (const entry of this.#entries(`${this.#directory}/${folder}`)) {
        const path = folder + entry.name;
        const decoded = (entry.isDirectory ? `${path}/` : blobOf(path))
          ?.split("/").map(decodeURIComponent).join("/");
        if (decoded === undefined) continue;
        if (!entry.isDirectory) {
          if (decoded.startsWith(prefix)) names.push(decoded);
        } else if (decoded.startsWith(prefix) || prefix.startsWith(decoded)) walk(`${path}/`);
      }
    };
    walk("");
    return names.sort();
  }

  /** Removes files of one folder, and folders that are empty then. */
  async #remove(paths: readonly string[]): Promise<void> {
    let folder: string | undefined;
    for (const path of paths) {
      try {
        await this.#files.remove(path);
        folder = folderOf(path);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    if (folder === undefined) return;
    // If the deletion of a folder is durable, so are those of its entries.
    await syncDirectoryAsync(this.#removeEmpty(folder), this.#files);
  }

  /** Removes a folder and its parents as far as they are empty. Returns the first that stays. */
  #removeEmpty(folder: string): string {
    let path = folder;
    for (; path.length > this.#directory.length; path = folderOf(path)) {
      try {
        this.#files.removeSync(path);
      } catch (error) {
        if (isNotEmpty(error)) break;
        if (!isNotFound(error)) throw error;
      }
    }
    return path;
  }

  /** The entries of a folder; none where it is missing. */
  #entries(path: string): DirectoryEntry[] {
    try {
      return [...this.#files.readDirSync(path)];
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }

  #path(name: string): string {
    const parts = name.split("/");
    if (parts.some((part) => part === "" || part === "." || part === "..")) {
      throw new RangeError(
        `A blob cannot be named "${name}": empty, "." and ".." parts are not allowed`,
      );
    }
    // An encoded part never ends in the suffix of temporary files.
    const encoded = parts.map((part) => encodeURIComponent(part).replace(/\.tmp$/, "%2Etmp"));
    return `${this.#directory}/${encoded.join("/")}`;
  }
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

async function checksumOf(bytes: Uint8Array): Promise<number> {
  let checksum = 0;
  for (let at = 0; at < bytes.byteLength; at += CHECKSUM_BYTES_MAX) {
    if (at > 0) await new Promise((resolve) => setImmediate(resolve));
    checksum = crc32(bytes.subarray(at, at + CHECKSUM_BYTES_MAX), checksum);
  }
  return checksum;
}

function isNotEmpty(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOTEMPTY";
}
