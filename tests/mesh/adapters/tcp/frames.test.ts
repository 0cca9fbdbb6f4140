import assert from "node:assert/strict";
import fc from "fast-check";
import { MalformedFrameError } from "../../../../mesh/adapters/tcp/encoded_value.ts";
import { type Frame, frameTypes, headOf } from "../../../../mesh/adapters/tcp/frame.ts";
import { FrameReader } from "../../../../mesh/adapters/tcp/frame_reader.ts";
import { FrameWriter } from "../../../../mesh/adapters/tcp/frame_writer.ts";

const BYTES_MAX = 1 << 20;

/** Gives the bytes in pieces of the given sizes, again and again. */
function source(bytes: Uint8Array, pieces: readonly number[]) {
  let at = 0;
  let piece = 0;
  return {
    read(into: Uint8Array): Promise<number | null> {
      if (at === bytes.length) return Promise.resolve(null);
      const count = Math.min(into.length, pieces[piece++ % pieces.length], bytes.length - at);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return Promise.resolve(count);
    },
  };
}

/** Takes at most `most` bytes at a time. */
class Sink {
  readonly writes: number[] = [];
  #bytes: number[] = [];
  constructor(readonly most: number) {}

  write(bytes: Uint8Array): Promise<number> {
    const taken = bytes.subarray(0, this.most);
    for (const byte of taken) this.#bytes.push(byte);
    this.writes.push(taken.length);
    return Promise.resolve(taken.length);
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

async function written(frames: readonly Frame[], most = Infinity): Promise<Sink> {
  const sink = new Sink(most);
  const writer = new FrameWriter(sink, (cause) => {
    throw cause;
  });
  for (const frame of frames) writer.push(frame);
  await writer.drained();
  assert.equal(writer.unsentBytes, 0);
  return sink;
}

async function framesOf(bytes: Uint8Array, pieces: readonly number[]): Promise<Frame[]> {
  const reader = new FrameReader(source(bytes, pieces));
  const frames: Frame[] = [];
  for (;;) {
    const frame = await reader.next(BYTES_MAX);
    if (frame === undefined) return frames;
    frames.push(frame);
  }
}

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(...Object.values(frameTypes)),
    channel: fc.nat(65_535),
    structure: fc.uint8Array({ maxLength: 50 }).map((bytes) => new Uint8Array(bytes)),
    sections: fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }).map((bytes) => new Uint8Array(bytes)),
        fc.nat(100_000).map((length) => new Uint8Array(length).fill(length)),
      ),
      { maxLength: 4 },
    ),
  }, { noNullPrototype: true }),
  { maxLength: 5 },
);

Deno.test("frames arrive as they were sent, however the stream cuts them", async () => {
  await fc.assert(
    fc.asyncProperty(
      frames,
      fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1_000, max: 100_000 }),
      async (sent, pieces, most) => {
        const { bytes } = await written(sent, most);
        assert.deepEqual(await framesOf(bytes, pieces), sent);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("the small frames of a turn go out in one write", async () => {
  const frame: Frame = {
    type: frameTypes.value,
    channel: 3,
    structure: new Uint8Array(100),
    sections: [new Uint8Array(400)],
  };
  assert.deepEqual((await written(Array(10).fill(frame))).writes, [10 * (16 + 4 + 500)]);
});

Deno.test("a section has memory of its own", async () => {
  const sections = [new Uint8Array(8).fill(1), new Uint8Array(8).fill(2)];
  const { bytes } = await written([
    { type: frameTypes.value, channel: 0, structure: new Uint8Array(0), sections },
  ]);
  const [frame] = await framesOf(bytes, [1_000]);
  for (const { buffer } of frame.sections) assert.equal(buffer.byteLength, 8);
});

Deno.test("wrong bytes give a malformed-frame error", async () => {
  const good = headOf({
    type: frameTypes.value,
    channel: 0,
    structure: new Uint8Array(0),
    sections: [new Uint8Array(4)],
  });
  const changed = (at: number, value: number) => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };
  const rejects = async (bytes: Uint8Array, expected: RegExp) =>
    await assert.rejects(framesOf(bytes, [1_000]), (error: Error) => {
      assert.ok(error instanceof MalformedFrameError);
      assert.match(error.message, expected);
      return true;
    });
  await rejects(
    new TextEncoder().encode("GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    /not be a Cairn host/,
  );
  await rejects(changed(4, 77), /its type 77 is unknown/);
  await rejects(changed(3, 255), /allowed \(mesh\.frameBytesMax must be the same/);
  await rejects(changed(0, 2), /contradict/);
  await rejects(changed(15, 255), /sections/);
  await rejects(changed(16, 5), /do not add up/);
  await rejects(good, /ends in the middle/);
  await rejects(good.slice(0, 5), /ends in the middle/);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), async (bytes) => {
      await framesOf(bytes, [7]).catch((error) => assert.ok(error instanceof MalformedFrameError));
    }),
  );
});

Deno.test("the number of sections is bounded by the bytes that a frame may have", async () => {
  const bytes = new DataView(new ArrayBuffer(16));
  const count = 2 ** 18 + 1;
  bytes.setUint32(0, 12 + 4 * count, true);
  bytes.setUint8(4, frameTypes.handshake);
  bytes.setUint32(12, count, true);
  await assert.rejects(framesOf(new Uint8Array(bytes.buffer), [16]), /it has 262145 sections/);
});

Deno.test("a stream that fails is reported once, and nothing is written afterwards", async () => {
  const failures: string[] = [];
  let writes = 0;
  const writer = new FrameWriter({
    write() {
      writes++;
      return Promise.reject(new Error("connection reset"));
    },
  }, ({ message }) => failures.push(message));
  const frame: Frame = { type: 3, channel: 0, structure: new Uint8Array(0), sections: [] };
  writer.push(frame);
  await writer.drained();
  writer.push(frame);
  await writer.drained();
  assert.deepEqual([failures, writes], [["connection reset"], 1]);
});
