/**
 * Writes frames to a stream, in order. Small parts are gathered into one write, since Deno has no
 * vectored writes; large sections are written from where they are.
 */
import type { ByteStream } from "./byte_stream.ts";
import { byteLengthOf } from "./encoded_value.ts";
import { type Frame, headBytesOf, headOf } from "./frame.ts";

const GATHERED_BYTES = 64 * 1024;
/** Parts from this size on are not copied. */
const DIRECT_BYTES_MIN = 16 * 1024;

export class FrameWriter {
  readonly #stream: Pick<ByteStream, "write">;
  readonly #onFailed: (cause: Error) => void;
  readonly #gathered = new Uint8Array(GATHERED_BYTES);
  #frames: Frame[] = [];
  #unsentBytes = 0;
  #queuedBytes = 0;
  #queuedFrames = 0;
  #writing: Promise<void> | undefined;

  /** @param onFailed Called once when the stream takes nothing more. */
  constructor(stream: Pick<ByteStream, "write">, onFailed: (cause: Error) => void) {
    this.#stream = stream;
    this.#onFailed = onFailed;
  }

  /** Bytes of frames that the stream has not taken. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Frames and bytes that were queued since the start. */
  get queued(): { readonly frames: number; readonly bytes: number } {
    return { frames: this.#queuedFrames, bytes: this.#queuedBytes };
  }

  /** Queues a frame. */
  push(frame: Frame): void {
    this.#frames.push(frame);
    const bytes = headBytesOf(frame) + byteLengthOf(frame);
    this.#unsentBytes += bytes;
    this.#queuedBytes += bytes;
    this.#queuedFrames++;
    this.#writing ??= this.#write();
  }

  /** Resolves when everything queued is written, or the stream has failed. */
  async drained(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    try {
      await Promise.resolve(); // frames that the same turn queues go into the same write
      while (this.#frames.length > 0) {
        const frames = this.#frames;
        this.#frames = [];
        await this.#writeFrames(frames);
      }
      this.#writing = undefined;
    } catch (error) {
      // `#writing` stays set: nothing is written after a failure.
      this.#onFailed(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async #writeFrames(frames: readonly Frame[]): Promise<void> {
    let gathered = 0;
    const add = async (part: Uint8Array<ArrayBuffer>) => {
      const { byteLength } = part;
      if (gathered > 0 && gathered + byteLength > GATHERED_BYTES) {
        await this.#writeAll(this.#gathered.subarray(0, gathered));
        gathered = 0;
      }
      if (byteLength >= DIRECT_BYTES_MIN) {
        if (gathered > 0) await this.#writeAll(this.#gathered.subarray(0, gathered));
        gathered = 0;
        return await this.#writeAll(part);
      }
      this.#gathered.set(part, gathered);
      gathered += byteLength;
    };
    for (const frame of frames) {
      await add(headOf(frame));
      await add(frame.structure);
      for (const section of frame.sections) await add(section);
    }
    if (gathered > 0) await this.#writeAll(this.#gathered.subarray(0, gathered));
  }

  async #writeAll(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      const written = await this.#stream.write(bytes.subarray(at));
      this.#unsentBytes -= written;
      at += written;
    }
  }
}
