/**
 * An open directory of a simulated thread, whose names can be synced.
 */
import type { OpenFile } from "../../mesh/ports/files.ts";
import { DiskError } from "./simulated_disk.ts";
import type { SimulatedFiles } from "./simulated_files.ts";

export class SimulatedDirectory implements OpenFile {
  constructor(readonly path: string, readonly files: SimulatedFiles) {}

  sync(): Promise<void> {
    return this.files.syncDirectory(this.path);
  }

  syncSync(): void {
    this.files.syncDirectorySync(this.path);
  }

  syncData = () => this.sync();
  syncDataSync = () => this.syncSync();
  statSync = () => ({ size: 0 });
  close = () => {};
  readSync = () => this.#refuse();
  writeSync = () => this.#refuse();
  write = () => this.#refuse();
  seekSync = () => this.#refuse();
  truncateSync = () => this.#refuse();

  #refuse(): never {
    throw new DiskError("IsADirectory", "EISDIR", `${this.path}: is a directory`);
  }
}
