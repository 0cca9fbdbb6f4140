/**
 * Offsets up to which consumers of a log have handled its records: a small file per consumer, so
 * that consumers in different threads never write the same file. Commits that arrive during a write
 * are merged into the next write.
 */
import { invariant } from "../../../structures/invariant.ts";
import type { Files } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { readCheckedJson, writeCheckedJson } from "./checked_json.ts";
import { makeDirectory } from "./durable_directory.ts";

interface ConsumerOffsets {
  readonly offsets: Map<number, number>;
  writing: Promise<void> | undefined;
  /** The write that will carry commits made from now on. */
  next: Promise<void> | undefined;
}

/** An offset that a consumer has committed. */
export interface CommittedOffset {
  readonly consumer: string;
  readonly partition: number;
  readonly offset: number;
}

const SUFFIX = ".json";

export class CommittedOffsets {
  readonly #directory: string;
  readonly #files: Files;
  readonly #consumers = new Map<string, ConsumerOffsets>();

  /** @param directory Made where it is missing. */
  constructor(directory: string, files: Files = denoFiles) {
    this.#directory = directory;
    this.#files = files;
    makeDirectory(directory, files);
  }

  /** @throws {DamagedFileError} */
  get(consumer: string, partition: number): number {
    return this.#consumer(consumer).offsets.get(partition) ?? 0;
  }

  /**
   * All committed offsets.
   *
   * @throws {DamagedFileError}
   */
  all(): CommittedOffset[] {
    const files = [...this.#files.readDirSync(this.#directory)].filter(({ name }) =>
      name.endsWith(SUFFIX)
    );
    return files.flatMap(({ name }) => {
      const consumer = decodeURIComponent(name.slice(0, -SUFFIX.length));
      const { offsets } = this.#consumer(consumer);
      return [...offsets].map(([partition, offset]) => ({ consumer, partition, offset }));
    });
  }

  /** Resolves when the offset, or a later one of the same consumer, is durable. */
  async set(consumer: string, partition: number, offset: number): Promise<void> {
    invariant(Number.isSafeInteger(offset) && offset >= 0, "an offset counts records");
    const entry = this.#consumer(consumer);
    entry.offsets.set(partition, offset);
    entry.next ??= (async () => {
      // A failed write rejects its own callers; this write carries their offsets too.
      await entry.writing?.catch(() => {});
      entry.writing = entry.next;
      entry.next = undefined;
      const offsets = Object.fromEntries(entry.offsets);
      await writeCheckedJson(this.path(consumer), offsets, this.#files);
    })();
    await entry.next;
  }

  /** Resolves when no write is under way. A write that fails rejects its own callers only. */
  async settle(): Promise<void> {
    for (const { writing, next } of this.#consumers.values()) {
      await (next ?? writing)?.catch(() => {});
    }
  }

  #consumer(consumer: string): ConsumerOffsets {
    const known = this.#consumers.get(consumer);
    if (known !== undefined) return known;
    const stored = readCheckedJson(
      this.path(consumer),
      "Restore it from a copy, or delete it: its consumer keeps its position elsewhere.",
      this.#files,
    );
    const entries = Object.entries((stored ?? {}) as Record<string, number>);
    const offsets = new Map(entries.map(([partition, offset]) => [Number(partition), offset]));
    const entry: ConsumerOffsets = { offsets, writing: undefined, next: undefined };
    this.#consumers.set(consumer, entry);
    return entry;
  }

  /** The file of a consumer. */
  path(consumer: string): string {
    return `${this.#directory}/${encodeURIComponent(consumer)}${SUFFIX}`;
  }
}
