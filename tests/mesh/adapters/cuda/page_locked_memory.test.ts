/**
 * Page-locked memory, and the messages where the driver has none. The driver is a test double.
 */
import assert from "node:assert/strict";
import { PageLockedMemory } from "../../../../mesh/adapters/cuda/page_locked_memory.ts";

Deno.test("without a CUDA runtime it says that copies are slower", () => {
  const lines: string[] = [];
  const none = PageLockedMemory.open((line) => void lines.push(line), ["libno_such_runtime.so"]);
  assert.equal(none, undefined);
  assert.equal(lines.length, 1);
  assert.match(lines[0], /ordinary memory, which is slower: no CUDA runtime .*libno_such_runtime/);
});

Deno.test("a driver that locks no more pages is reported once, and only locked arrays are unlocked", () => {
  const lines: string[] = [], unlocked: unknown[] = [];
  let left = 1;
  const memory = PageLockedMemory.on({
    symbols: {
      cudaHostRegister: () => left-- > 0 ? 0 : 2,
      cudaHostUnregister: (array: unknown) => {
        unlocked.push(array);
        return 0;
      },
    },
  }, (line) => void lines.push(line));
  const arrays = [4, 8, 16].map((length) => memory.allocate(length));
  assert.deepEqual(arrays.map(({ length }) => length), [4, 8, 16]);
  assert.equal(lines.length, 1);
  assert.match(lines[0], /cudaHostRegister returned 2 for 32 bytes/);
  for (const array of arrays) memory.free(array);
  assert.deepEqual(unlocked, [arrays[0]]);
});
