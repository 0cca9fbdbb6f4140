/**
 * A log over a failing disk: syncs that fail, segments that cannot be made, and bytes that readers
 * see before they are durable.
 */
import assert from "node:assert/strict";
import { DirectoryBlobStore } from "../../../../mesh/adapters/embedded/directory_blob_store.ts";
import { makeDirectory } from "../../../../mesh/adapters/embedded/durable_directory.ts";
import {
  EmbeddedEventLog,
  type EmbeddedEventLogOptions,
} from "../../../../mesh/adapters/embedded/embedded_event_log.ts";
import { encodeBlock } from "../../../../mesh/adapters/embedded/segment_block.ts";
import { listSegments, segmentPath } from "../../../../mesh/adapters/embedded/segment_files.ts";
import { SegmentReader } from "../../../../mesh/adapters/embedded/segment_reader.ts";
import { LogUnavailableError } from "../../../../mesh/ports/event_log.ts";
import { beforeCalls, failing, slow, syncedDirectories } from "./file_faults.ts";

const text = (value: string) => new TextEncoder().encode(value);

function open(directory: string, options: Partial<EmbeddedEventLogOptions> = {}) {
  return EmbeddedEventLog.open({ directory, partitions: 1, mode: "write", ...options });
}

async function read(log: EmbeddedEventLog): Promise<string[]> {
  return (await log.read(0, 0, 1_000)).map(({ bytes }) => new TextDecoder().decode(bytes));
}

async function withDirectory(run: (directory: string) => Promise<void> | void): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-faults-" });
  try {
    await run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("a segment that cannot be made durable is removed, and the log goes on in the old one", async () => {
  await withDirectory(async (directory) => {
    const options = { segmentBytesMax: 100 };
    let log = await open(directory, options);
    await log.append(0, [text("a".repeat(60))]);
    {
      using _ = failing("syncSync"); // of the directory
      await assert.rejects(log.append(0, [text("b".repeat(60))]), LogUnavailableError);
    }
    assert.equal(listSegments(`${directory}/0`).length, 1);
    assert.equal(await log.append(0, [text("c")]), 1, "it fits into the old segment");
    assert.equal(await log.append(0, [text("d".repeat(60))]), 2);
    const expected = ["a".repeat(60), "c", "d".repeat(60)];
    assert.deepEqual(await read(log), expected);
    await log.close();
    log = await open(directory, options);
    assert.deepEqual(await read(log), expected);
    await log.close();
  });
});

Deno.test("a failed sync of the old segment rejects all appends of the turn, also those that are written", async () => {
  await withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 6 * 2 ** 20 });
    using _ = failing("syncDataSync");
    // Two blocks: the second does not fit into the segment.
    const appends = [0, 1].map((byte) => log.append(0, [new Uint8Array(5 * 2 ** 20).fill(byte)]));
    const written = log.append(0, [text("c")], "written");
    for (const { status } of await Promise.allSettled([...appends, written])) {
      assert.equal(status, "rejected");
    }
    await assert.rejects(log.append(0, [text("d")]), /The last records may be lost/);
    assert.ok(log.refusal() instanceof LogUnavailableError);
    await log.close();
  });
});

Deno.test("while a sync does not end, a bounded number of bytes waits, and appends go on after it", async () => {
  await withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 2 ** 30 });
    const sync = Promise.withResolvers<void>();
    const megabyte = new Uint8Array(2 ** 20);
    const appends: Promise<number>[] = [];
    let refused = 0;
    {
      using _ = slow("syncData", sync.promise);
      for (let i = 0; i < 100; i++) {
        const append = log.append(0, [megabyte]);
        append.catch((error) => {
          assert.match(error.message, /bytes wait for the disk.*Send again/);
          refused++;
        });
        appends.push(append);
        await new Promise((resolve) => setTimeout(resolve));
      }
      assert.equal(refused, 100 - 64);
      assert.equal(await log.append(0, [text("written")], "written"), 64, "rankings go on");
      sync.resolve();
    }
    await Promise.allSettled(appends);
    assert.equal(await log.append(0, [megabyte]), 65);
    await log.close();
  });
});

Deno.test("a reader that has buffered bytes behind the durable end reads them again", async () => {
  await withDirectory((directory) => {
    const path = segmentPath(directory, 0);
    const block = (offset: number, value: string) =>
      encodeBlock({ firstOffset: offset, durableOffset: 0, records: [text(value)] });
    const [first, second] = [block(0, "first"), block(1, "second")];
    // Bytes of a write that is taken back.
    Deno.writeFileSync(
      path,
      Uint8Array.from([...first, ...block(7, "other"), ...new Uint8Array(64)]),
    );
    const reader = new SegmentReader(directory);
    assert.equal(reader.read(0, 10, 1).length, 1);
    Deno.writeFileSync(path, Uint8Array.from([...first, ...second]));
    const [{ offset, bytes }] = reader.read(1, 10, 2);
    assert.deepEqual([offset, new TextDecoder().decode(bytes)], [1, "second"]);
    reader.close();
  });
});

Deno.test("a log that could not be written probes the disk in a file of its own", async () => {
  await withDirectory(async (directory) => {
    const log = await open(directory);
    await log.append(0, [text("a")]);
    const [{ path }] = listSegments(`${directory}/0`);
    const before = Deno.readFileSync(path);
    const { writeSync } = Deno.FsFile.prototype;
    Deno.FsFile.prototype.writeSync = () => {
      throw new Error("No space left on device (os error 28)");
    };
    try {
      await assert.rejects(log.append(0, [text("b")]), LogUnavailableError);
      for (let i = 0; i < 3; i++) assert.ok(log.refusal() instanceof LogUnavailableError);
    } finally {
      Deno.FsFile.prototype.writeSync = writeSync;
    }
    assert.equal(log.refusal(), undefined);
    assert.deepEqual(Deno.readFileSync(path), before);
    const files = [...Deno.readDirSync(`${directory}/0`)].map(({ name }) => name);
    assert.deepEqual(files.toSorted(), [
      "0000000000000000.begin",
      "0000000000000000.segment",
      "synced",
    ]);
    await log.close();
  });
});

Deno.test("an opening syncs the newest segment and its directory before it reads a byte of it", async () => {
  await withDirectory(async (directory) => {
    const log = await open(directory);
    await log.append(0, [text("a")]);
    await log.close();
    const calls: string[] = [];
    {
      using _file = beforeCalls("syncDataSync", () => void calls.push("sync file"));
      using _directory = beforeCalls("syncSync", () => void calls.push("sync directory"));
      using _read = beforeCalls("readSync", () => void calls.push("read"));
      await (await open(directory)).close();
    }
    assert.deepEqual(calls.slice(0, 3), ["sync file", "sync directory", "read"]);
    using _ = failing("syncDataSync");
    await assert.rejects(open(directory), /Input\/output error/);
  });
});

Deno.test("a new directory is synced in its parent, and each missing parent in its own", async () => {
  await withDirectory(async (directory) => {
    using synced = syncedDirectories();
    makeDirectory(`${directory}/a/b/c`);
    assert.deepEqual(synced.paths, [directory, `${directory}/a`, `${directory}/a/b`]);
    makeDirectory(`${directory}/a/b/c`);
    assert.equal(synced.paths.length, 3);
    await (await open(`${directory}/events`)).close();
    const store = new DirectoryBlobStore(`${directory}/blobs`);
    await store.put("snapshots/1/manifest.json", new Uint8Array(1));
    for (const path of ["", "/events", "/blobs", "/blobs/snapshots"]) {
      assert.ok(synced.paths.includes(`${directory}${path}`), path);
    }
  });
});
