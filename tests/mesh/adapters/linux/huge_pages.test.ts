/**
 * Goal: large memories lie in huge pages, also the part by which they grow. Method: once with the
 * real kernel, which may refuse any chunk; else with a kernel that refuses what it is told to.
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

/** Bytes in huge pages of the mapping in which the memory lies; other tests may have some there. */
function hugeBytes({ buffer }: LargeMemory): number {
  const begin = addressOf(buffer);
  const mappings = Deno.readTextFileSync("/proc/self/smaps")
    .matchAll(/^([0-9a-f]+)-([0-9a-f]+) [^]*?^AnonHugePages: +([0-9]+) kB$/gm);
  for (const [, from, to, huge] of mappings) {
    if (parseInt(from, 16) <= begin && begin < parseInt(to, 16)) return 1024 * Number(huge);
  }
  return 0;
}

function addressOf(buffer: ArrayBufferLike): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer))));
}

/** @returns Chunks tried. */
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

Deno.test({
  name:
    "a large memory is moved into huge pages chunk by chunk, and later the part that it grew by",
  ignore: !await canCollapse(),
  async fn() {
    const memory = touchedMemory(40 * MiB);
    const pages = HugePages.open(() => [memory]);
    assert.ok(pages !== undefined);
    const before = hugeBytes(memory);
    const chunks = await collapseAll(pages);
    assert.ok(chunks === 19 || chunks === 20, `${chunks} chunks`); // by the alignment
    assert.ok(hugeBytes(memory) > before);
    assert.ok(new Uint8Array(memory.buffer).every((byte) => byte === 7));
    memory.grow(8 * MiB / PAGE_BYTES);
    assert.ok(await collapseAll(pages) >= 4); // refused chunks again too
  },
});

Deno.test("only the part of a memory that has been written is moved", async () => {
  const memory = { buffer: new ArrayBuffer(64 * MiB), usedBytes: 0 };
  const pages = new HugePages(() => Promise.resolve(0), () => [memory]);
  assert.equal(await pages.collapseNext(), "idle");
  memory.usedBytes = 16 * MiB;
  const chunks = await collapseAll(pages);
  assert.ok(chunks === 7 || chunks === 8, `${chunks} chunks`); // by the alignment
});

Deno.test("the memory of a shard of a hundred thousand rows is moved too", async () => {
  const memory = { buffer: new ArrayBuffer(8 * MiB) };
  const chunks = await collapseAll(new HugePages(() => Promise.resolve(0), () => [memory]));
  assert.ok(chunks === 3 || chunks === 4, `${chunks} chunks`); // by the alignment
});

/** A kernel that refuses the chunks of a memory while told to, and notes what it moved. */
function kernelThatRefuses(refused: LargeMemory) {
  const begin = addressOf(refused.buffer);
  const kernel = {
    refuses: true,
    moved: new Set<number>(),
    madvise(address: bigint): Promise<number> {
      const isOfMemory = Number(address) >= begin &&
        Number(address) < begin + refused.buffer.byteLength;
      if (kernel.refuses && isOfMemory) return Promise.resolve(-1);
      kernel.moved.add(Number(address));
      return Promise.resolve(0);
    },
  };
  return kernel;
}

Deno.test("a part that was refused is moved later", async () => {
  const memories = [{ buffer: new ArrayBuffer(8 * MiB) }, { buffer: new ArrayBuffer(40 * MiB) }];
  const kernel = kernelThatRefuses(memories[1]);
  const pages = new HugePages(kernel.madvise, () => memories);
  const tried = await collapseAll(pages);
  assert.ok(tried >= 22, `${tried} chunks`);
  assert.ok(kernel.moved.size <= 4, `${kernel.moved.size} moved`);

  kernel.refuses = false;
  for (let idles = 0; idles < 3; idles++) await collapseAll(pages);
  assert.equal(kernel.moved.size, tried, "each once");
  assert.equal(await pages.collapseNext(), "idle");
});

Deno.test("parts that stay refused are tried more and more rarely", async () => {
  const memories = [{ buffer: new ArrayBuffer(8 * MiB) }, { buffer: new ArrayBuffer(40 * MiB) }];
  const pages = new HugePages(kernelThatRefuses(memories[1]).madvise, () => memories);
  await collapseAll(pages);
  let tries = 0;
  for (let idles = 1; idles < 64; idles++) {
    if (await collapseAll(pages) > 0) tries++;
  }
  assert.equal(tries, 6);
});

Deno.test("no more chunks are tried where the kernel refuses the first eight", async () => {
  const memory = { buffer: new ArrayBuffer(40 * MiB) };
  let tries = 0;
  const refuse = () => {
    tries++;
    return Promise.resolve(-1);
  };
  const pages = new HugePages(refuse, () => [memory]);
  assert.ok(Number.isNaN(await collapseAll(pages)));
  assert.equal(tries, 8);
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
