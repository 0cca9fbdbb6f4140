import assert from "node:assert/strict";
import fc from "fast-check";
import {
  impressionBytes,
  type ImpressionHeader,
  OpenImpressions,
} from "../../../actors/joiner/open_impressions.ts";
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
      const open = new OpenImpressions();
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
          open.add(header, rows);
          model.push({ header, rows });
        } else if (model.length > 0) {
          const [{ header }] = model.splice(step.goes % model.length, 1);
          open.remove(open.find(header.fingerprint)!);
          assert.equal(open.find(header.fingerprint), undefined);
        }
        assert.equal(open.size, model.length);
        assert.equal(open.oldest?.offset, model[0]?.header.offset);
        const bytes = model.reduce((sum, { rows }) => sum + impressionBytes(rows.byteLength), 0);
        assert.equal(open.bytes, bytes);
      });
      for (const { header, rows } of model) {
        const found = open.find(header.fingerprint)!;
        assert.deepEqual({ ...found, ...header }, found, "its header");
        const { memory, begin } = found;
        assert.deepEqual(new Uint8Array(memory.bytes.subarray(begin, begin + rows.length)), rows);
      }
      for (const user of ["u0", "u1", "u2", "unknown"].map(fingerprintOf)) {
        const own = model.filter(({ header }) => header.user.low === user.low);
        assert.deepEqual(open.ofUser(user), own.map(({ header }) => header.fingerprint));
      }
      while (open.oldest !== undefined) {
        assert.equal(open.oldest.offset, model.shift()!.header.offset, "in the order of the log");
        open.remove(open.oldest);
      }
      assert.equal(open.bytes, 0);
    }),
  );
});

Deno.test("impressions that stay open among decided ones keep at most twice their memory and 8 MiB", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (stays, seed) => {
      let moves = 0;
      const byAddress = new Map<number, number>();
      const open = new OpenImpressions((from, to) => {
        moves++;
        const i = byAddress.get(from)!;
        byAddress.delete(from);
        byAddress.set(to, i);
      });
      const rowsOf = (i: number) => new Uint8Array(10_000 + 37 * ((seed + i) % 100)).fill(i);
      for (let i = 0; i < 5_000; i++) {
        const fingerprint = fingerprintOf(`r${i}`);
        open.add(
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
        byAddress.set(open.find(fingerprint)!.address, i);
        if (i < 20 || i % stays === 0) continue;
        const decided = open.find(fingerprintOf(`r${i - 20}`));
        if (decided === undefined) continue;
        byAddress.delete(decided.address);
        open.remove(decided);
        const bytesMax = 2 * open.bytes + 9 * 2 ** 20;
        assert.ok(open.memoryBytes <= bytesMax, `${open.memoryBytes} bytes for ${open.bytes}`);
      }
      if (stays === 10) assert.ok(moves > 0);
      assert.equal(byAddress.size, open.size);
      for (const [address, i] of byAddress) {
        const found = open.find(fingerprintOf(`r${i}`))!;
        assert.deepEqual([found.address, found.offset], [address, i]);
        const { memory, begin } = found;
        const rows = rowsOf(i);
        assert.deepEqual(new Uint8Array(memory.bytes.subarray(begin, begin + rows.length)), rows);
      }
      let previous = -1;
      while (open.oldest !== undefined) {
        assert.ok(open.oldest.offset > previous, "in the order of the log");
        previous = open.oldest.offset;
        open.remove(open.oldest);
      }
      assert.equal(open.size, 0);
    }),
    { numRuns: 6, examples: [[10, 0]] },
  );
});
