/**
 * Goal: large memories lie in huge pages, also the part by which they grow. Method: real memories.
 */
import assert from "node:assert/strict";
import { HugePages } from "../../../../mesh/adapters/linux/huge_pages.ts";
import type { LargeMemory } from "../../../../structures/large_memories.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";

const PAGE_BYTES = 65_536;
const MiB = 2 ** 20;

function touchedMemory(bytes: number): WebAssembly.Memory {
  const memory = new WebAssembly.Memory({ initial: bytes / PAGE_BYTES });
  new Uint8Array(memory.buffer).fill(7);
  return memory;
}

/** Bytes in huge pages of the mappings in which the memories lie; other tests have some too. */
function hugeBytes(...memories: readonly LargeMemory[]): number {
  const ranges = memories.map(({ buffer }) => {
    const pointer = Deno.UnsafePointer.of(new Uint8Array(buffer));
    const begin = Number(Deno.UnsafePointer.value(pointer));
    return { begin, end: begin + buffer.byteLength };
  });
  const mappings = Deno.readTextFileSync("/proc/self/smaps")
    .matchAll(/^([0-9a-f]+)-([0-9a-f]+) [^]*?^AnonHugePages: +([0-9]+) kB$/gm);
  let bytes = 0;
  for (const [, from, to, huge] of mappings) {
    const holds = ranges.some(({ begin, end }) =>
      parseInt(from, 16) < end && parseInt(to, 16) > begin
    );
    if (holds) bytes += 1024 * Number(huge);
  }
  return bytes;
}

async function collapseAll(pages: HugePages): Promise<number> {
  for (let chunks = 0;; chunks++) {
    const outcome = await pages.collapseNext();
    if (outcome !== "done") return outcome === "idle" ? chunks : NaN;
  }
}

/** Whether this kernel has `MADV_COLLAPSE` and memory for it. */
async function canCollapse(): Promise<boolean> {
  const memory = touchedMemory(32 * MiB);
  const pages = HugePages.open(() => [memory]);
  if (pages === undefined) return false;
  const before = hugeBytes(memory);
  await pages.collapseNext();
  return hugeBytes(memory) > before;
}

const ignore = !await canCollapse();

Deno.test({
  name:
    "a large memory is moved into huge pages chunk by chunk, and later the part that it grew by",
  ignore,
  async fn() {
    const memory = touchedMemory(40 * MiB);
    const pages = HugePages.open(() => [memory]);
    assert.ok(pages !== undefined);
    const before = hugeBytes(memory);
    const chunks = await collapseAll(pages);
    assert.ok(chunks === 19 || chunks === 20, `${chunks} chunks`); // by the alignment
    assert.ok(hugeBytes(memory) - before >= 30 * MiB);
    assert.ok(new Uint8Array(memory.buffer).every((byte) => byte === 7));
    assert.equal(await pages.collapseNext(), "idle");

    memory.grow(8 * MiB / PAGE_BYTES);
    assert.equal(await collapseAll(pages), 4);
  },
});

Deno.test({
  name: "only the part of a memory that has been written is moved",
  ignore,
  async fn() {
    const memory = { buffer: new ArrayBuffer(64 * MiB), usedBytes: 0 };
    new Uint8Array(memory.buffer, 0, 16 * MiB).fill(7);
    const pages = HugePages.open(() => [memory]);
    assert.ok(pages !== undefined);
    assert.equal(await pages.collapseNext(), "idle");
    memory.usedBytes = 16 * MiB;
    const chunks = await collapseAll(pages);
    assert.ok(chunks === 7 || chunks === 8, `${chunks} chunks`); // by the alignment
  },
});

Deno.test({
  name: "the memory of a shard of a hundred thousand rows is moved too",
  ignore,
  async fn() {
    const memory = touchedMemory(8 * MiB);
    const pages = HugePages.open(() => [memory]);
    assert.ok(pages !== undefined);
    const chunks = await collapseAll(pages);
    assert.ok(chunks === 3 || chunks === 4, `${chunks} chunks`); // by the alignment
  },
});

Deno.test({
  name: "a part that was refused, since it was not written, is moved later",
  ignore,
  async fn() {
    const memories = [touchedMemory(8 * MiB), { buffer: new ArrayBuffer(40 * MiB) }];
    const pages = HugePages.open(() => memories);
    assert.ok(pages !== undefined);
    const before = hugeBytes(...memories);
    assert.ok(await collapseAll(pages) >= 22); // refusals of the part that was not written too
    assert.ok(hugeBytes(...memories) - before <= 8 * MiB);

    new Uint8Array(memories[1].buffer).fill(7);
    await collapseAll(pages);
    assert.ok(hugeBytes(...memories) - before >= 40 * MiB);
    assert.equal(await pages.collapseNext(), "idle");
  },
});

Deno.test({
  name: "parts that stay refused are tried more and more rarely",
  ignore,
  async fn() {
    const memories = [touchedMemory(8 * MiB), { buffer: new ArrayBuffer(40 * MiB) }];
    const pages = HugePages.open(() => memories);
    assert.ok(pages !== undefined);
    await collapseAll(pages);
    let tries = 0;
    for (let idles = 1; idles < 64; idles++) {
      if (await collapseAll(pages) > 0) tries++;
    }
    // 6 where the written part was moved at its first try.
    assert.ok(tries >= 6 && tries <= 9, `${tries} times`);
  },
});

Deno.test("small memories are left alone", async () => {
  const memory = touchedMemory(1 * MiB);
  assert.equal(await HugePages.open(() => [memory])?.collapseNext() ?? "idle", "idle");
});

Deno.test("chunks are spread over time, and none follows after a stop", async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const pages = HugePages.start(clock, () => {
    asked++;
    return [];
  });
  await clock.advance(20_000);
  const before = asked;
  pages.stop();
  await clock.advance(20_000);
  assert.equal(asked, before);
});
