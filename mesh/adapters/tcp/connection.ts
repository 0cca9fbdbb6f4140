/**
 * An authenticated connection to another host: frames both ways, heartbeats, and bounds.
 *
 * The connection fails, once and for good, when the socket does, when the peer has sent nothing for
 * `silenceMs`, when it sends bytes that are no frame, or when it takes so little that twice the
 * window of unsent bytes waits.
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import { untilNextMoment } from "../../runtime/common_moments.ts";
import type { ByteStream } from "./byte_stream.ts";
import { type EncodedValue, MalformedFrameError } from "./encoded_value.ts";
import { emptyFrame, type Frame, frameTypes, textFrame } from "./frame.ts";
import { FrameReader } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { reasonIn } from "./handshake_messages.ts";

/** The bounds of a connection. */
export interface ConnectionLimits {
  /** A frame is sent at least this often, ms. */
  readonly heartbeatMs: number;
  /** Without a byte from the peer for this long the connection has failed, ms. */
  readonly silenceMs: number;
  /** Bytes of structure and sections of a frame. */
  readonly frameBytesMax: number;
  /** Unsent bytes from which new messages are refused; at twice as many the connection fails. */
  readonly windowBytes: number;
}

/** Time that the peer has to take the reason of a close, ms. */
const FAREWELL_MS = 500;

export interface ConnectionListeners {
  onValue(channel: number, value: EncodedValue): void;
  /** Called once, when the connection has failed or was closed by the peer. */
  onClosed(cause: Error): void;
}

export class Connection {
  #peer: string;
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #limits: ConnectionLimits;
  readonly #writer: FrameWriter;
  readonly #reader: FrameReader;
  #listeners: ConnectionListeners | undefined;
  #timer: Timer | undefined;
  #timerDueMs = 0;
  #receivedMs: number;
  #open = true;

  /** @param peer Name of the peer, for errors. */
  constructor(peer: string, stream: ByteStream, clock: Clock, limits: ConnectionLimits) {
    this.#peer = peer;
    this.#stream = stream;
    this.#clock = clock;
    this.#limits = limits;
    this.#receivedMs = clock.monotonicMs();
    this.#writer = new FrameWriter(stream, (cause) => this.#fail(cause));
    this.#reader = new FrameReader({
      read: async (bytes) => {
        const count = await stream.read(bytes);
        this.#receivedMs = clock.monotonicMs();
        return count;
      },
    });
  }

  /** Reader and writer for the handshake, which comes before {@link begin}. */
  get frames(): { readonly reader: FrameReader; readonly writer: FrameWriter } {
    return { reader: this.#reader, writer: this.#writer };
  }

  /** Sets the peer's name, once it has proved it. */
  rename(peer: string): void {
    this.#peer = peer;
  }

  /** Whether more bytes wait than the window has. */
  get isCongested(): boolean {
    return this.#writer.unsentBytes >= this.#limits.windowBytes;
  }

  /** Bytes of frames that the socket has not taken. */
  get unsentBytes(): number {
    return this.#writer.unsentBytes;
  }

  /** Frames and bytes of this connection since its start, heartbeats included. */
  get queued(): { readonly frames: number; readonly bytes: number } {
    return this.#writer.queued;
  }

  /** Starts heartbeats and reads frames until the connection ends. */
  begin(listeners: ConnectionListeners): void {
    this.#listeners = listeners;
    this.#schedule();
    this.#readFrames();
  }

  /** Sends a value; does nothing on a closed connection. */
  send(channel: number, value: EncodedValue): void {
    if (!this.#open) return;
    this.#writer.push({ type: frameTypes.value, channel, ...value });
    const { unsentBytes } = this.#writer;
    if (unsentBytes < 2 * this.#limits.windowBytes) return;
    this.#fail(
      new Error(`host ${this.#peer} does not keep up: ${unsentBytes} bytes wait to be sent`),
    );
  }

  /** Tells the peer why, and closes; the own listener is not called. */
  async close(reason: string): Promise<void> {
    if (!this.#open) return;
    this.#end();
    await this.#sayGoodbye(reason);
  }

  /** Fails the connection: its input makes no sense. */
  reject(cause: Error): void {
    if (!this.#open) return;
    this.#end();
    void this.#sayGoodbye(cause.message);
    this.#listeners?.onClosed(cause);
  }

  async #sayGoodbye(reason: string): Promise<void> {
    this.#writer.push(textFrame(frameTypes.goodbye, JSON.stringify({ reason })));
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.schedule(FAREWELL_MS, resolve);
    });
    await Promise.race([this.#writer.drained(), late]);
    timer?.cancel();
    this.#closeStream();
  }

  #fail(cause: Error): void {
    if (!this.#open) return;
    this.#end();
    this.#closeStream();
    this.#listeners?.onClosed(cause);
  }

  #end(): void {
    this.#open = false;
    this.#timer?.cancel();
  }

  #closeStream(): void {
    try {
      this.#stream.close();
    } catch {
      // It is closed already.
    }
  }

  async #readFrames(): Promise<void> {
    try {
      while (this.#open) {
        const frame = await this.#reader.next(this.#limits.frameBytesMax);
        if (frame === undefined) throw new Error(`host ${this.#peer} has closed the connection`);
        if (this.#open) this.#receive(frame);
      }
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      if (!(cause instanceof MalformedFrameError)) return this.#fail(cause);
      this.reject(new Error(`host ${this.#peer} sent ${cause.message}`, { cause }));
    }
  }

  #receive(frame: Frame): void {
    switch (frame.type) {
      case frameTypes.value:
        return this.#listeners?.onValue(frame.channel, frame);
      case frameTypes.heartbeat:
        return;
      case frameTypes.goodbye:
        return this.#fail(new Error(`host ${this.#peer} says: ${reasonIn(frame)}`));
      case frameTypes.handshake:
        throw new MalformedFrameError("a handshake after the handshake");
      default:
        frame.type satisfies never;
    }
  }

  /**
   * Looks at the common moments, or when the silence of the peer would end the connection. So one
   * wake-up of the thread serves all connections, takes the heartbeats of their peers, and with a
   * heartbeat of a second does the other work of that second.
   */
  #schedule(): void {
    const { heartbeatMs, silenceMs } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const lookMs = untilNextMoment(this.#clock, heartbeatMs);
    const delayMs = Math.max(1, Math.min(lookMs, this.#receivedMs + silenceMs - nowMs));
    this.#timerDueMs = nowMs + delayMs;
    this.#timer = this.#clock.schedule(delayMs, () => this.#tick());
  }

  #tick(): void {
    const { heartbeatMs, silenceMs } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    // A process that stood still finds bytes that came meanwhile: they are read before it judges.
    if (nowMs - this.#timerDueMs > heartbeatMs) {
      this.#receivedMs = Math.max(this.#receivedMs, nowMs - silenceMs + heartbeatMs);
    }
    if (nowMs - this.#receivedMs >= silenceMs) {
      return this.#fail(new Error(`host ${this.#peer} has sent nothing for ${silenceMs} ms`));
    }
    this.#writer.push(emptyFrame(frameTypes.heartbeat));
    this.#schedule();
  }
}
