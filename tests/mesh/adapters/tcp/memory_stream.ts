/**
 * Two ends of a byte stream in memory.
 */
import type { ByteStream } from "../../../../mesh/adapters/tcp/byte_stream.ts";

export class MemoryStream implements ByteStream {
  peer: MemoryStream | undefined;
  /** Written bytes are lost, as behind a cable that was cut. */
  isCutOff = false;
  /** Writes do not end, as when the peer reads nothing. */
  isStuck = false;
  #arrived: Uint8Array[] = [];
  #closed = false;
  #wake: (() => void) | undefined;

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#arrived.length === 0) {
      if (this.#closed) return null;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const [first] = this.#arrived;
    const count = Math.min(first.length, into.length);
    into.set(first.subarray(0, count));
    if (count === first.length) this.#arrived.shift();
    else this.#arrived[0] = first.subarray(count);
    return count;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(new Error("the stream is closed"));
    if (this.isStuck) return new Promise(() => {});
    if (!this.isCutOff) this.peer?.arrive(bytes.slice());
    return Promise.resolve(bytes.length);
  }

  close(): void {
    this.end();
    if (!this.isCutOff) this.peer?.end();
  }

  arrive(bytes: Uint8Array): void {
    this.#arrived.push(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#closed = true;
    this.#wake?.();
  }
}

export function streamPair(): [MemoryStream, MemoryStream] {
  const [left, right] = [new MemoryStream(), new MemoryStream()];
  left.peer = right;
  right.peer = left;
  return [left, right];
}
