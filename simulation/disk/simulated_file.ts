/**
 * An open file of a simulated thread, with a position.
 */
import type { OpenFile } from "../../mesh/ports/files.ts";
import type { FileContent } from "./file_content.ts";
import type { SimulatedFiles } from "./simulated_files.ts";

export class SimulatedFile implements OpenFile {
  #position = 0;

  constructor(
    readonly path: string,
    readonly content: FileContent,
    readonly files: SimulatedFiles,
  ) {}

  readSync(into: Uint8Array): number | null {
    const rest = this.content.cached.subarray(this.#position);
    if (rest.byteLength === 0 && into.byteLength > 0) return null;
    const part = rest.subarray(0, into.byteLength);
    into.set(part);
    this.files.spoil(this.path, into.subarray(0, part.byteLength));
    this.#position += part.byteLength;
    return part.byteLength;
  }

  writeSync(bytes: Uint8Array): number {
    const fits = this.files.writableBytes(this.path, bytes.byteLength);
    this.content.write(this.#position, bytes.subarray(0, fits));
    this.#position += fits;
    return fits;
  }

  // deno-lint-ignore require-await -- errors become rejections
  async write(bytes: Uint8Array): Promise<number> {
    return this.writeSync(bytes);
  }

  seekSync(offset: number): number {
    return this.#position = offset;
  }

  truncateSync(length: number): void {
    this.content.truncate(length);
  }

  statSync(): { readonly size: number } {
    return { size: this.content.size };
  }

  syncData(): Promise<void> {
    return this.sync();
  }

  syncDataSync(): void {
    this.syncSync();
  }

  sync(): Promise<void> {
    return this.files.sync(this.path, this.content);
  }

  syncSync(): void {
    this.files.syncSync(this.path, this.content);
  }

  close(): void {}
}
