/**
 * How far each consumer of a log has come: one small file a consumer, so that consumers in different threads never
 * write the same file. Commits that arrive while a write is under way are merged into the next.
 */
import { readFileIfAny, replaceFile } from "./small_file.ts";

interface ConsumerOffsets {
  readonly offsets: Map<number, number>;
  writing: Promise<void> | undefined;
  /** The write that will carry commits made from now on. */
  next: Promise<void> | undefined;
}

export class CommittedOffsets {
  readonly #directory: string;
  readonly #consumers = new Map<string, ConsumerOffsets>();

  constructor(directory: string) {
    this.#directory = directory;
    Deno.mkdirSync(directory, { recursive: true });
  }

  get(consumer: string, partition: number): number {
    return this.#consumer(consumer).offsets.get(partition) ?? 0;
  }

  /** Resolves when the offset, or a later one of the same consumer, is durable. */
  async set(consumer: string, partition: number, offset: number): Promise<void> {
    const entry = this.#consumer(consumer);
    entry.offsets.set(partition, offset);
    entry.next ??= (async () => {
      // What failed failed for its own callers: this write carries their offsets too.
      await entry.writing?.catch(() => {});
      entry.writing = entry.next;
      entry.next = undefined;
      const text = JSON.stringify(Object.fromEntries(entry.offsets));
      await replaceFile(this.#path(consumer), new TextEncoder().encode(text));
    })();
    await entry.next;
  }

  /** Resolves when what was set is durable. */
  async settle(): Promise<void> {
    for (const { writing, next } of this.#consumers.values()) await (next ?? writing);
  }

  #consumer(consumer: string): ConsumerOffsets {
    let entry = this.#consumers.get(consumer);
    if (!entry) {
      const bytes = readFileIfAny(this.#path(consumer));
      const stored = bytes ? JSON.parse(new TextDecoder().decode(bytes)) : {};
      const offsets = new Map<number, number>();
      for (const [partition, offset] of Object.entries(stored)) {
        offsets.set(Number(partition), Number(offset));
      }
      this.#consumers.set(consumer, entry = { offsets, writing: undefined, next: undefined });
    }
    return entry;
  }

  #path(consumer: string): string {
    return `${this.#directory}/${encodeURIComponent(consumer)}.json`;
  }
}
