import assert from "node:assert/strict";
import {
  DataDirectoryError,
  openDataDirectory,
} from "../../../../mesh/adapters/embedded/data_directory.ts";
import {
  EmbeddedEventLog,
  type EmbeddedEventLogOptions,
} from "../../../../mesh/adapters/embedded/embedded_event_log.ts";
import { denoFiles } from "../../../../mesh/adapters/deno/deno_files.ts";
import type { Files } from "../../../../mesh/ports/files.ts";
import { LogUnavailableError } from "../../../../mesh/ports/event_log.ts";
import { createLogEnds, SharedLogEnds } from "../../../../mesh/adapters/embedded/log_ends.ts";
import { LogCorruptError } from "../../../../mesh/adapters/embedded/segment_block.ts";
import type { TornTail } from "../../../../mesh/adapters/embedded/segment_recovery.ts";
import { listSegments } from "../../../../mesh/adapters/embedded/segment_files.ts";

/** Lets `bytes` more be written to files, then none, until the returned function is called. */
function fillDisk(bytes: number): () => void {
  const { writeSync } = Deno.FsFile.prototype;
  let room = bytes;
  Deno.FsFile.prototype.writeSync = function (data) {
    if (room === 0) throw new Error("No space left on device (os error 28)");
    const written = writeSync.call(this, data.subarray(0, Math.min(room, data.byteLength)));
    room -= written;
    return written;
  };
  return () => void (Deno.FsFile.prototype.writeSync = writeSync);
}

const text = (value: string) => new TextEncoder().encode(value);

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function open(directory: string, options: Partial<EmbeddedEventLogOptions> = {}) {
  return EmbeddedEventLog.open({ directory, partitions: 1, mode: "write", ...options });
}

async function read(log: EmbeddedEventLog, from = 0): Promise<string[]> {
  return (await log.read(0, from, 1_000)).map(({ bytes }) => new TextDecoder().decode(bytes));
}

Deno.test("a block torn by a crash is truncated, kept and reported, and the log goes on behind the block before", async () => {
  await withDirectory(async (directory) => {
    let log = await open(directory);
    await log.append(0, [text("a"), text("b")]);
    const [{ path }] = listSegments(`${directory}/0`);
    const intact = Deno.statSync(path).size;
    await log.append(0, [text("torn"), text("too")]);
    await log.close();
    const whole = Deno.readFileSync(path);
    const stored = [`${directory}/offsets/(durable).json`, `${directory}/0/synced`];
    for (let length = intact; length < whole.length; length++) {
      Deno.writeFileSync(path, whole.subarray(0, length));
      for (const file of stored) Deno.removeSync(file); // the power failed before they were synced
      const torn: TornTail[] = [];
      log = await open(directory, { onTornTail: (tail) => void torn.push(tail) });
      assert.deepEqual(await read(log), ["a", "b"], `cut at byte ${length}`);
      if (length > intact) {
        const [{ position, bytes, savedAt }] = torn;
        assert.deepEqual([position, bytes], [intact, length - intact]);
        assert.deepEqual(Deno.readFileSync(savedAt ?? ""), whole.slice(intact, length));
      } else assert.deepEqual(torn, []);
      assert.equal(await log.append(0, [text("c")]), 2);
      assert.deepEqual(await read(log), ["a", "b", "c"]);
      await log.close();
    }
  });
});

Deno.test("a damaged block in an older segment is an error for its readers, which names the file and the byte", async () => {
  await withDirectory(async (directory) => {
    let log = await open(directory, { segmentBytesMax: 32 });
    for (const value of ["first", "second", "third"]) await log.append(0, [text(value)]);
    await log.close();
    const [{ path }] = listSegments(`${directory}/0`);
    const bytes = Deno.readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    Deno.writeFileSync(path, bytes);
    log = await open(directory, { segmentBytesMax: 32 });
    const error = await read(log).catch((reason) => reason);
    assert.ok(error instanceof LogCorruptError);
    assert.equal(error.path, path);
    assert.match(error.message, /checksum mismatch at byte 0/);
    assert.deepEqual(await read(log, 1), ["second", "third"]);
    await log.close();
  });
});

Deno.test("a reader follows the writer through the shared ends, up to the durable end", async () => {
  await withDirectory(async (directory) => {
    // Waiting on shared memory does not keep a process alive; a server's sockets do, and here this
    // timer.
    const alive = setInterval(() => {}, 1_000);
    const ends = new SharedLogEnds(createLogEnds(1));
    const writer = await open(directory, { ends, segmentBytesMax: 64 });
    await writer.append(0, [text("before")]);
    const reader = await open(directory, { ends, mode: "read" });
    assert.deepEqual(await read(reader), ["before"]);
    for (let i = 0; i < 20; i++) {
      const heard = new Promise<void>((resolve) => {
        const unsubscribe = reader.onAppended(0, () => {
          unsubscribe();
          resolve();
        });
      });
      const appended = writer.append(0, [text(`${i}`)]);
      assert.equal(await reader.endOffset(0), i + 1, "not durable yet");
      await appended;
      await heard;
      assert.deepEqual(await read(reader, i + 1), [`${i}`]);
    }
    await assert.rejects(reader.append(0, [text("x")]), /open for reading in this thread/);
    await reader.close();
    await writer.close();
    clearInterval(alive);
  });
});

Deno.test("a log made with another number of partitions is refused", async () => {
  await withDirectory(async (directory) => {
    await (await open(directory, { partitions: 4 })).close();
    await assert.rejects(
      open(directory, { partitions: 8 }),
      /has 4 partitions, not 8; open it with 4/,
    );
  });
});

Deno.test("trimmed segments are removed and make room", async () => {
  await withDirectory(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 4_096, bytesMax: 64 * 1_024 });
    const record = new Uint8Array(1_000);
    for (let i = 0; i < 300; i++) {
      const offset = await log.append(0, [record]);
      if (i % 10 === 9) await log.trim(0, offset);
    }
    assert.ok(listSegments(`${directory}/0`).length < 6);
    await log.close();
  });
});

Deno.test("a data directory is used by one process at a time", async () => {
  await withDirectory((directory) => {
    const held = openDataDirectory(`${directory}/data`);
    assert.throws(() => openDataDirectory(`${directory}/data`), /is in use by another process/);
    assert.throws(() => openDataDirectory(`${directory}/data/lock`), DataDirectoryError);
    held.release();
    openDataDirectory(`${directory}/data`).release();
    return Promise.resolve();
  });
});

Deno.test("a first read begins at its offset, also in a segment that was begun since the opening", async () => {
  await withDirectory(async (directory) => {
    for (let from = 0; from < 9; from++) {
      const log = await open(`${directory}/${from}`, { segmentBytesMax: 100 });
      for (let i = 0; i < 9; i++) await log.append(0, [text(`record ${i}`)]);
      const [{ offset, bytes }] = await log.read(0, from, 1);
      assert.deepEqual([offset, new TextDecoder().decode(bytes)], [from, `record ${from}`]);
      await log.close();
    }
  });
});

Deno.test("a full disk refuses whole appends, at any byte, and appends go on when there is room", async () => {
  await withDirectory(async (directory) => {
    for (const room of [0, 10, 30, 45, 60]) {
      const options = { segmentBytesMax: 100 };
      let log = await open(`${directory}/${room}`, options);
      for (const value of ["a", "b", "c"]) await log.append(0, [text(value)]);
      const free = fillDisk(room);
      try {
        const large = [text("x".repeat(40)), text("y".repeat(40))];
        const failed = await log.append(0, large).catch((error) => error);
        assert.ok(failed instanceof LogUnavailableError, String(failed));
        assert.match(failed.message, /No space left.*Nothing was appended\. Free disk space/);
        await assert.rejects(log.append(0, [text("d")]), LogUnavailableError);
        assert.ok(log.refusal() instanceof LogUnavailableError);
      } finally {
        free();
      }
      assert.equal(log.refusal(), undefined, "it tries again");
      assert.equal(await log.append(0, [text("e"), text("f")]), 3);
      assert.deepEqual(await read(log), ["a", "b", "c", "e", "f"]);
      await log.close();
      log = await open(`${directory}/${room}`, options);
      assert.deepEqual(await read(log), ["a", "b", "c", "e", "f"], `with room for ${room} bytes`);
      assert.equal(log.usage().bytes, sizeOf(`${directory}/${room}`));
      await log.close();
    }
  });
});

Deno.test("a log of any limit can free space, because its segments are at most an eighth of a partition's share", async () => {
  await withDirectory(async (directory) => {
    const partitions = 8;
    const log = await open(directory, { bytesMax: 2 ** 20, durability: "process", partitions });
    const record = new Uint8Array(10_000);
    for (let i = 0; i < 200; i++) {
      const offset = await log.append(i % partitions, [record]);
      await log.trim(i % partitions, offset);
    }
    assert.ok(log.usage().bytes < 2 ** 18, `${log.usage().bytes} bytes of trimmed records`);
    await log.close();
  });
});

Deno.test("the bytes that a log reports are those of its files, after any appends, trims and openings", async () => {
  await withDirectory(async (directory) => {
    let log = await open(directory, { segmentBytesMax: 500 });
    for (let i = 0; i < 200; i++) {
      const appends = Array.from({ length: i % 4 }, (_, j) => log.append(0, [text("z".repeat(j))]));
      if (i % 7 === 0) await log.trim(0, i);
      await Promise.all(appends);
      if (i % 50 === 0) {
        await log.close();
        log = await open(directory, { segmentBytesMax: 500 });
      }
      assert.equal(log.usage().bytes, sizeOf(directory), `after round ${i}`);
    }
    await log.close();
  });
});

function sizeOf(directory: string): number {
  return listSegments(`${directory}/0`).reduce(
    (sum, { path }) => sum + Deno.statSync(path).size,
    0,
  );
}

Deno.test("a trim removes the torn tails of the segments that it removes", async () => {
  await withDirectory(async (directory) => {
    let log = await open(directory, { durability: "process" });
    await log.append(0, [text("a")]);
    await log.close();
    const [{ path }] = listSegments(`${directory}/0`);
    Deno.writeFileSync(path, text("an erased user, in a block that is not whole"), {
      append: true,
    });
    log = await open(directory, { durability: "process" });
    const tornTails = () =>
      [...Deno.readDirSync(`${directory}/0`)].filter(({ name }) => name.endsWith(".torn"));
    assert.equal(tornTails().length, 1);
    await log.roll(0);
    await log.append(0, [text("b")]);
    await log.trim(0, 1);
    assert.equal(tornTails().length, 0);
    assert.deepEqual(await read(log), ["b"]);
    await log.close();
  });
});

Deno.test("a trim removes the torn tail of a segment that was removed because nothing was left of it", async () => {
  await withDirectory(async (directory) => {
    let log = await open(directory, { durability: "process" });
    await log.append(0, [text("a")]);
    await log.roll(0);
    await log.close();
    const [, { path }] = listSegments(`${directory}/0`);
    Deno.writeFileSync(path, text("an erased user, in a block that is not whole"));
    const tornTails = () =>
      [...Deno.readDirSync(`${directory}/0`)].filter(({ name }) => name.endsWith(".torn"));
    for (let opening = 0; opening < 2; opening++) {
      log = await open(directory, { durability: "process" });
      await log.close();
    }
    assert.equal(listSegments(`${directory}/0`).length, 1, "it was empty");
    assert.equal(tornTails().length, 1);
    log = await open(directory, { durability: "process" });
    await log.append(0, [text("b")]);
    await log.roll(0);
    await log.append(0, [text("c")]);
    await log.trim(0, 1);
    assert.equal(tornTails().length, 1, "its records were not trimmed");
    await log.trim(0, 2);
    assert.equal(tornTails().length, 0);
    await log.close();
  });
});

Deno.test("a log that rolled and was closed without a record goes on at its end", async () => {
  await withDirectory(async (directory) => {
    let log = await open(directory);
    await log.append(0, [text("a"), text("b")]);
    await log.roll(0);
    await log.close();
    log = await open(directory);
    assert.deepEqual(await read(log), ["a", "b"]);
    await log.roll(0);
    await log.trim(0, 2);
    assert.equal(await log.storedFrom(0), 2);
    await log.close();
    log = await open(directory);
    assert.deepEqual(await read(log), []);
    assert.equal(await log.append(0, [text("c")]), 2);
    await log.close();
  });
});

Deno.test("an opening that fails at one partition closes the files of all others", async () => {
  await withDirectory(async (directory) => {
    let opened = 0;
    const files: Files = {
      ...denoFiles,
      openSync(path, options) {
        if (path.includes("/2/")) throw new Error("No space left on device (os error 28)");
        const file = denoFiles.openSync(path, options);
        const { close } = file;
        opened++;
        return Object.assign(file, {
          close() {
            opened--;
            close.call(file);
          },
        });
      },
    };
    await assert.rejects(open(directory, { partitions: 3, files }), /No space left/);
    await new Promise((resolve) => setTimeout(resolve));
    assert.equal(opened, 0);
  });
});
