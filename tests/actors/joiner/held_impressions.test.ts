import assert from "node:assert/strict";
import fc from "fast-check";
import {
  HeldImpressions,
  impressionBytes,
  type ImpressionHeader,
} from "../../../actors/joiner/held_impressions.ts";
import { fingerprintOf } from "../../../structures/fingerprint.ts";

interface Added {
  readonly header: ImpressionHeader;
  readonly rows: Uint8Array;
}

Deno.test("an impression is found with its header and rows, and the oldest is the first one left", () => {
  const step = fc.oneof(
    fc.record({ bytes: fc.oneof(fc.nat(500), fc.nat(300_000)), times: fc.double({ noNaN: true }) }),
    fc.record({ goes: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const held = new HeldImpressions();
      const model: Added[] = [];
      steps.forEach((step, i) => {
        if ("bytes" in step) {
          const header = {
            fingerprint: fingerprintOf(`r${i}`),
            user: fingerprintOf(`u${i % 3}`),
            samplingKey: i * 0x1234567 >>> 0,
            atMs: step.times,
            openedAtMs: 2 * step.times,
            offset: 2 ** 40 + i,
            logSampleRate: -0.5 * i,
            awaitsShown: i % 2 === 0,
          };
          const rows = new Uint8Array(step.bytes).fill(i + 1);
          held.add(header, rows);
          model.push({ header, rows });
        } else if (model.length > 0) {
          const [{ header }] = model.splice(step.goes % model.length, 1);
          held.remove(held.find(header.fingerprint)!);
          assert.equal(held.find(header.fingerprint), undefined);
        }
        assert.equal(held.size, model.length);
        assert.equal(held.oldest?.offset, model[0]?.header.offset);
        const bytes = model.reduce((sum, { rows }) => sum + impressionBytes(rows.byteLength), 0);
        assert.equal(held.bytes, bytes);
      });
      for (const { header, rows } of model) {
        const found = held.find(header.fingerprint)!;
        assert.deepEqual({ ...found, ...header }, found, "its header");
        const { memory, begin } = found;
        assert.deepEqual(new Uint8Array(memory.bytes.subarray(begin, begin + rows.length)), rows);
      }
      for (const user of ["u0", "u1", "u2", "unknown"].map(fingerprintOf)) {
        const own = model.filter(({ header }) => header.user.low === user.low);
        assert.deepEqual(held.ofUser(user), own.map(({ header }) => header.fingerprint));
      }
      while (held.oldest !== undefined) {
        assert.equal(held.oldest.offset, model.shift()!.header.offset, "in the order of the log");
        held.remove(held.oldest);
      }
      assert.equal(held.bytes, 0);
    }),
  );
});

Deno.test("impressions that stay open among decided ones keep at most twice their memory and 8 MiB", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (stays, seed) => {
      let moves = 0;
      const byAddress = new Map<number, number>();
      const held = new HeldImpressions((from, to) => {
        moves++;
        const i = byAddress.get(from)!;
        byAddress.delete(from);
        byAddress.set(to, i);
      });
      const rowsOf = (i: number) => new Uint8Array(10_000 + 37 * ((seed + i) % 100)).fill(i);
      for (let i = 0; i < 5_000; i++) {
        const fingerprint = fingerprintOf(`r${i}`);
        held.add(
          {
            fingerprint,
            user: fingerprint,
            samplingKey: i,
            atMs: i,
            openedAtMs: i,
            offset: i,
            logSampleRate: 0,
            awaitsShown: false,
          },
          rowsOf(i),
        );
        byAddress.set(held.find(fingerprint)!.address, i);
        if (i < 20 || i % stays === 0) continue;
        const decided = held.find(fingerprintOf(`r${i - 20}`));
        if (decided === undefined) continue;
        byAddress.delete(decided.address);
        held.remove(decided);
        const bytesMax = 2 * held.bytes + 9 * 2 ** 20;
        assert.ok(held.memoryBytes <= bytesMax, `${held.memoryBytes} bytes for ${held.bytes}`);
      }
      if (stays === 10) assert.ok(moves > 0);
      assert.equal(byAddress.size, held.size);
      for (const [address, i] of byAddress) {
        const found = held.find(fingerprintOf(`r${i}`))!;
        assert.deepEqual([found.address, found.offset], [address, i]);
        const { memory, begin } = found;
        const rows = rowsOf(i);
        assert.deepEqual(new Uint8Array(memory.bytes.subarray(begin, begin + rows.length)), rows);
      }
      let previous = -1;
      while (held.oldest !== undefined) {
        assert.ok(held.oldest.offset > previous, "in the order of the log");
        previous = held.oldest.offset;
        held.remove(held.oldest);
      }
      assert.equal(held.size, 0);
    }),
    { numRuns: 6, examples: [[10, 0]] },
  );
});
