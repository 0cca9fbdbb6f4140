/**
 * The first records of erasures, compared with a search through the whole log.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FirstRecords } from "../../../gateway/erasure/first_records.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { encodeEvent, type EventRecord } from "../../../records/event_record.ts";

const times = { atMs: 1, acceptedAtMs: 1 };
const users = fc.constantFrom("ann", "bob", "cy");

const records = fc.oneof(
  fc.tuple(users, fc.constantFrom<1 | 2>(1, 2), fc.uuid()).map(([user, pass, erasureId]) => {
    return { kind: "forget", erasureId, pass, user, ...times } as const;
  }),
  fc.constant({ kind: "mark", ...times } as const),
);

const steps = fc.array(
  fc.oneof(
    fc.record({ step: fc.constant("append" as const), record: records }),
    fc.record({ step: fc.constant("damaged" as const) }),
    fc.record({
      step: fc.constant("trim" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({
      step: fc.constant("drop" as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ step: fc.constant("clear" as const) }),
    fc.record({
      step: fc.constant("ask" as const),
      user: users,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  ),
  { maxLength: 60 },
);

Deno.test("the erasures of a user that began behind an offset are those of the log, the newest first", async () => {
  await fc.assert(fc.asyncProperty(steps, async (steps) => {
    const log = new MemoryEventLog({ name: "events", partitions: 1 });
    const first = new FirstRecords(log);
    const all: (EventRecord | undefined)[] = [];
    let trimmed = 0;
    let dropped = 0;
    for (const each of steps) {
      switch (each.step) {
        case "append":
          all.push(each.record);
          await log.append(0, [encodeEvent(each.record)]);
          break;
        case "damaged":
          all.push(undefined);
          await log.append(0, [Uint8Array.of(0xc1)]);
          break;
        case "trim":
          trimmed = Math.max(trimmed, Math.floor(each.share * all.length));
          await log.trim(0, trimmed);
          break;
        case "drop":
          dropped = Math.max(dropped, Math.floor(each.share * all.length));
          first.dropBefore(dropped);
          break;
        case "clear":
          first.clear();
          break;
        case "ask": {
          const from = Math.max(trimmed, dropped, Math.floor(each.share * all.length));
          await first.readFrom(from);
          const expected = all.flatMap((record, offset) =>
            offset > from && record?.kind === "forget" && record.pass === 1 &&
              record.user === each.user
              ? [record.erasureId]
              : []
          ).reverse();
          assert.deepEqual(first.after(each.user, from), expected);
        }
      }
    }
  }));
});

Deno.test("a log is read in parts, and each record once", async () => {
  const log = new MemoryEventLog({ name: "events", partitions: 1 });
  const first = new FirstRecords(log);
  const forget = (user: string, erasureId: string) =>
    encodeEvent({ kind: "forget", erasureId, pass: 1, user, ...times });
  const mark = encodeEvent({ kind: "mark", ...times });
  await log.append(0, [...Array.from({ length: 1_000 }, () => mark), forget("ann", "x")]);
  let read = 0;
  const original = log.read.bind(log);
  log.read = async (...request) => {
    const found = await original(...request);
    read += found.length;
    return found;
  };
  await first.readFrom(0);
  await first.readFrom(0);
  await first.readFrom(700);
  assert.equal(read, 1_001);
  assert.deepEqual(first.after("ann", 0), ["x"]);
  assert.deepEqual(first.after("ann", 1_000), []);
});
