/**
 * Blobs as files in a directory; a name's slashes are its folders.
 */
import type { BlobStore } from "../../ports/blob_store.ts";
import { readFileIfAny, replaceFile, temporarySuffix } from "./small_file.ts";

export class DirectoryBlobStore implements BlobStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    Deno.mkdirSync(directory, { recursive: true });
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await replaceFile(path, bytes);
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(readFileIfAny(this.#path(name)));
  }

  list(prefix: string): Promise<string[]> {
    const names: string[] = [];
    const walk = (folder: string) => {
      for (const entry of Deno.readDirSync(`${this.#directory}/${folder}`)) {
        const name = folder + entry.name;
        if (entry.isDirectory) walk(`${name}/`);
        else if (!name.endsWith(temporarySuffix)) {
          const decoded = name.split("/").map(decodeURIComponent).join("/");
          if (decoded.startsWith(prefix)) names.push(decoded);
        }
      }
    };
    walk("");
    return Promise.resolve(names.sort());
  }

  /** Folders that become empty go too. */
  async delete(name: string): Promise<void> {
    let path = this.#path(name);
    try {
      await Deno.remove(path);
      for (;;) {
        path = path.slice(0, path.lastIndexOf("/"));
        if (path.length <= this.#directory.length) return;
        Deno.removeSync(path); // fails where something is left in it
      }
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if (isNotEmpty(error)) return;
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

function isNotEmpty(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOTEMPTY";
}
