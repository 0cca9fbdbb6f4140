/**
 * Power failures at any moment: a log or a blob store is written over a journal of its file
 * operations, the disk of a random moment is built, and the store is opened there.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { dirname } from "node:path";
import { DirectoryBlobStore } from "../../../../mesh/adapters/embedded/directory_blob_store.ts";
import { EmbeddedEventLog } from "../../../../mesh/adapters/embedded/embedded_event_log.ts";
import { listSegments } from "../../../../mesh/adapters/embedded/segment_files.ts";
import { type DiskImage, DiskJournal } from "./disk_journal.ts";

const recordOf = (offset: number) =>
  new TextEncoder().encode(`record ${offset} ${"x".repeat((offset * 37) % 300)}`);

const open = (directory: string) =>
  EmbeddedEventLog.open({ directory, partitions: 1, mode: "write", segmentBytesMax: 3_000 });

/** One step of a workload. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("written" as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("commit" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("trim" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Writes a log by the steps, and journals it. */
async function write(directory: string, steps: readonly Step[]): Promise<DiskJournal> {
  const journal = new DiskJournal();
  using _ = journal.record();
  let log = await open(directory);
  let end = 0;
  for (const step of steps) {
    switch (step.kind) {
      case "append":
      case "written": {
        const records = Array.from({ length: step.count }, (_, i) => recordOf(end + i));
        end += step.count;
        const until = step.kind === "append" ? "durable" : "written";
        await log.append(0, records, until);
        if (until === "durable") journal.acknowledged(end);
        break;
      }
      case "commit":
        await log.commitOffset("joiner", 0, await log.endOffset(0));
        break;
      case "trim":
        await log.trim(0, (await log.endOffset(0)) >> 1);
        break;
      case "reopen":
        await log.close();
        log = await open(directory);
    }
  }
  await log.close();
  return journal;
}

Deno.test("after a power failure at any moment each blob is whole, and as its last acknowledged put or deletion left it", async () => {
  const names = ["snapshots/1/part", "snapshots/1/manifest.json", "snapshotter.json"];
  const blob = (version: number) => new Uint8Array(700 * (1 + version % 3)).fill(version);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ name: fc.nat(names.length - 1), isPut: fc.boolean() }), {
        minLength: 2,
        maxLength: 12,
      }),
      fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      async (writes, moments, draws) => {
        const directory = Deno.makeTempDirSync({ prefix: "cairn-power-" });
        try {
          const written = `${directory}/written`;
          const journal = new DiskJournal();
          {
            using _ = journal.record();
            const store = new DirectoryBlobStore(written);
            await store.put("snapshots/1/other", blob(0)); // so that the folder stays
            for (const [version, { name, isPut }] of writes.entries()) {
              if (isPut) await store.put(names[name], blob(version));
              else await store.delete(names[name]);
              journal.acknowledged(version + 1);
            }
          }
          for (const [i, moment] of moments.entries()) {
            const count = moment % (journal.operations.length + 1);
            const { image, endOffset } = journal.crash(
              count,
              (n) => Number(draws.next().value) % n,
            );
            writeImage(image, written, `${directory}/${i}`);
            const store = new DirectoryBlobStore(`${directory}/${i}`);
            for (const [name, path] of names.entries()) {
              const bytes = await store.get(path);
              const acknowledged = writes.slice(0, endOffset)
                .findLastIndex((write) => write.name === name);
              if (bytes !== undefined) {
                const [version] = bytes;
                const isNew = version > acknowledged ||
                  version === acknowledged && writes[acknowledged].isPut;
                assert.ok(isNew, `${path}: ${version}, acknowledged ${acknowledged}`);
                assert.deepEqual(bytes, blob(version));
              } else if (acknowledged >= 0 && writes[acknowledged].isPut) {
                const isDeleted = writes.slice(acknowledged + 1)
                  .some((write) => write.name === name && !write.isPut);
                assert.ok(isDeleted, `${path}: gone, acknowledged ${acknowledged}`);
              }
            }
          }
        } finally {
          Deno.removeSync(directory, { recursive: true });
        }
      },
    ),
    { numRuns: 15 },
  );
});

function writeImage(image: DiskImage, from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const [path, bytes] of image) {
    const copied = to + path.slice(from.length);
    Deno.mkdirSync(dirname(copied), { recursive: true });
    Deno.writeFileSync(copied, bytes);
  }
}

Deno.test("after a power failure at any moment a log opens, has every acknowledged record, and goes on", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 25 }),
      fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      async (steps, moments, draws) => {
        const directory = Deno.makeTempDirSync({ prefix: "cairn-power-" });
        try {
          const written = `${directory}/written`;
          const journal = await write(written, steps);
          for (const [i, moment] of moments.entries()) {
            const count = moment % (journal.operations.length + 1);
            const { image, endOffset } = journal.crash(
              count,
              (n) => Number(draws.next().value) % n,
            );
            if (!image.has(`${written}/log.json`)) { // there was no log yet
              assert.equal(endOffset, 0);
              continue;
            }
            const copy = `${directory}/${i}`;
            writeImage(image, written, copy);
            await checkLog(copy, endOffset, count);
          }
        } finally {
          Deno.removeSync(directory, { recursive: true });
        }
      },
    ),
    { numRuns: 15 },
  );
});

/**
 * The log opens, begins at its oldest segment, has the records up to `acknowledged`, and goes on.
 */
async function checkLog(directory: string, acknowledged: number, moment: number): Promise<void> {
  const log = await open(directory);
  const end = await log.endOffset(0);
  assert.ok(end >= acknowledged, `at ${moment}: ends at ${end}, acknowledged ${acknowledged}`);
  const read = await log.read(0, 0, 10_000);
  for (const { offset, bytes } of read) assert.deepEqual(bytes, recordOf(offset));
  if (read.length > 0) assert.equal(read[read.length - 1].offset, end - 1);
  const [first] = listSegments(`${directory}/0`);
  assert.ok((read[0]?.offset ?? end) <= Math.max(first.firstOffset, end >> 1));
  assert.equal(await log.append(0, [recordOf(end)]), end);
  await log.close();
}
