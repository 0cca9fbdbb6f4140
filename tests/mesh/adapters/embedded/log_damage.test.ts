/**
 * Damage to the files of a log: harmless, mended with a report, or an error that names the file.
 * Never silence. A log is written, its files are changed, and it is opened and read again.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  EmbeddedEventLog,
  type EmbeddedEventLogOptions,
} from "../../../../mesh/adapters/embedded/embedded_event_log.ts";
import { writeCheckedJson } from "../../../../mesh/adapters/embedded/checked_json.ts";
import { SegmentBlocks } from "../../../../mesh/adapters/embedded/segment_blocks.ts";
import { LogCorruptError } from "../../../../mesh/adapters/embedded/segment_block.ts";
import { listSegments } from "../../../../mesh/adapters/embedded/segment_files.ts";
import type { TornTail } from "../../../../mesh/adapters/embedded/segment_recovery.ts";
import { denoFiles } from "../../../../mesh/adapters/deno/deno_files.ts";
import { LOG_FORMAT } from "../../../../mesh/ports/log_format.ts";
import { present } from "../../../../structures/invariant.ts";
import { removeTemporaries } from "../../../../mesh/adapters/embedded/small_file.ts";

const RECORDS = 24;
const TRIMMED = 6;
const COMMITTED = 15;
/** Two blocks of records a segment. */
const SHORT_SEGMENT_BYTES = 150;

/** Files by path relative to the log's directory. */
type Files = Map<string, Uint8Array<ArrayBuffer>>;

function readFiles(directory: string, folder = ""): Files {
  const files: Files = new Map();
  for (const { name, isDirectory } of Deno.readDirSync(`${directory}/${folder}`)) {
    if (!isDirectory) files.set(folder + name, Deno.readFileSync(`${directory}/${folder}${name}`));
    else for (const file of readFiles(directory, `${folder}${name}/`)) files.set(...file);
  }
  return files;
}

function writeFiles(directory: string, files: Files): void {
  Deno.removeSync(directory, { recursive: true });
  Deno.mkdirSync(`${directory}/0`, { recursive: true });
  Deno.mkdirSync(`${directory}/offsets`);
  for (const [name, bytes] of files) Deno.writeFileSync(`${directory}/${name}`, bytes);
}

const recordOf = (offset: number) => `record ${offset} ${"x".repeat(offset % 7)}`;

function open(directory: string, options: Partial<EmbeddedEventLogOptions> = {}) {
  return EmbeddedEventLog.open({
    directory,
    partitions: 1,
    mode: "write",
    segmentBytesMax: 400,
    ...options,
  });
}

async function readAll(log: EmbeddedEventLog, from: number): Promise<string[]> {
  const records = [];
  for (let next = from;;) {
    const read = await log.read(0, next, 5);
    if (read.length === 0) return records;
    for (const { bytes } of read) records.push(new TextDecoder().decode(bytes));
    next = read[read.length - 1].offset + 1;
  }
}

/** A log of some segments, as it is on the disk while it is open and after it was closed. */
async function writeLog(
  directory: string,
  segmentBytesMax: number,
): Promise<{ killed: Files; closed: Files }> {
  const log = await open(directory, { segmentBytesMax });
  for (let offset = 0; offset < RECORDS; offset += 2) {
    const records = [recordOf(offset), recordOf(offset + 1)];
    await log.append(0, records.map((text) => new TextEncoder().encode(text)));
    if (offset === TRIMMED) await log.trim(0, TRIMMED);
  }
  await log.commitOffset("joiner", 0, COMMITTED);
  const killed = readFiles(directory);
  await log.close();
  return { killed, closed: readFiles(directory) };
}

type Outcome =
  | { readonly kind: "harmless" }
  | { readonly kind: "mended"; readonly records: number }
  | { readonly kind: "error"; readonly message: string }
  | { readonly kind: "silent"; readonly records: number };

async function outcomeOf(directory: string): Promise<Outcome> {
  let torn: TornTail | undefined;
  try {
    const log = await open(directory, { onTornTail: (tail) => void (torn = tail) });
    try {
      const records = await readAll(log, TRIMMED);
      const expected = Array.from(
        { length: RECORDS - TRIMMED },
        (_, i) => recordOf(i + TRIMMED),
      );
      // Whole records are expected, and after a cut the ones before it.
      assert.deepEqual(records, expected.slice(0, records.length));
      if (records.length === expected.length) return { kind: "harmless" };
      return { kind: torn ? "mended" : "silent", records: records.length };
    } finally {
      await log.close();
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return { kind: "error", message: String(error) };
  }
}

async function withLog(
  run: (directory: string, log: { killed: Files; closed: Files }) => Promise<void>,
  segmentBytesMax = 400,
): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-damage-" });
  try {
    await run(directory, await writeLog(directory, segmentBytesMax));
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Lists a changed copy of the files for each byte flipped and each length cut. */
function damageOf(files: Files): { name: string; what: string; bytes: Uint8Array<ArrayBuffer> }[] {
  return [...files].flatMap(([name, bytes]) => [
    ...Array.from(bytes, (_, at) => {
      const flipped = bytes.slice();
      flipped[at] ^= 1 << (at % 8);
      return { name, what: `byte ${at} flipped`, bytes: flipped };
    }),
    ...Array.from(bytes, (_, length) => ({
      name,
      what: `cut to ${length} bytes`,
      bytes: bytes.slice(0, length),
    })),
  ]);
}

for (const state of ["closed", "killed"] as const) {
  Deno.test(`any byte flipped and any length cut in a ${state} log is harmless or an error that names the file`, async () => {
    await withLog(async (directory, log) => {
      const files = log[state];
      const damage = damageOf(files);
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...damage), async ({ name, what, bytes }) => {
          writeFiles(directory, new Map([...files, [name, bytes]]));
          const outcome = await outcomeOf(directory);
          const says = `${name}, ${what}: ${JSON.stringify(outcome)}`;
          if (outcome.kind === "error") assert.ok(outcome.message.includes(directory), says);
          assert.ok(outcome.kind === "error" || outcome.kind === "harmless", says);
        }),
        { numRuns: 150 },
      );
    });
  });
}

Deno.test("a flipped bit in the newest segment is an error that names the file and the byte, and changes nothing", async () => {
  await withLog(async (directory, { closed }) => {
    const { path } = listSegments(`${directory}/0`).at(-1) ?? { path: "" };
    const bytes = Deno.readFileSync(path);
    bytes[40] ^= 1;
    Deno.writeFileSync(path, bytes);
    for (const name of ["offsets/(durable).json", "offsets/joiner.json", "0/synced"]) {
      Deno.removeSync(`${directory}/${name}`);
    }
    const error = await open(directory).catch((reason) => reason);
    assert.ok(error instanceof LogCorruptError);
    assert.equal(error.path, path);
    assert.equal(error.position, 0);
    assert.match(error.message, /damaged block \(by the block at byte \d+, records up to \d+ were/);
    assert.deepEqual(Deno.readFileSync(path), bytes);
    assert.equal(readFiles(directory).size, closed.size - 3);
  });
});

Deno.test("a newest segment that is shorter than the durable end is an error", async () => {
  await withLog(async (directory) => {
    const { path } = listSegments(`${directory}/0`).at(-1) ?? { path: "" };
    Deno.truncateSync(path, 0);
    await assert.rejects(
      open(directory),
      /the end is missing \(by .*durable\).json, records up to 24 were durable\)/,
    );
  });
});

Deno.test("blocks that lack at the end of a log after a kill are an error, however new they were", async () => {
  await withLog(async (directory, { killed }) => {
    const files = new Map(killed);
    files.delete("offsets/(durable).json"); // the process was killed before it was written
    writeFiles(directory, files);
    const { path } = present(listSegments(`${directory}/0`).at(-1), "the log has segments");
    const length = Deno.statSync(path).size;
    const blocks = new SegmentBlocks(path);
    let position = 0;
    for (let at = 0; at < length; at += present(blocks.blockAt(at), "a block").byteLength) {
      position = at;
    }
    blocks.close();
    Deno.truncateSync(path, position);
    await assert.rejects(
      open(directory),
      /the end is missing \(by .*\/0\/synced, records up to 24 were durable\)/,
    );
    Deno.writeFileSync(`${directory}/0/synced`, new Uint8Array(12)); // as a power failure tears it
    await (await open(directory)).close();
  });
});

Deno.test("the end that an opening finds behind a kill is known to the next one, although nothing was appended", async () => {
  await withLog(async (directory, { killed }) => {
    const files = new Map(killed);
    for (const name of files.keys()) {
      // The process was killed before.
      if (name.startsWith("offsets/") || name === "0/synced") files.delete(name);
    }
    writeFiles(directory, files);
    await (await open(directory)).close();
    const { path } = present(listSegments(`${directory}/0`).at(-1), "the log has segments");
    Deno.truncateSync(path, 0);
    await assert.rejects(open(directory), LogCorruptError);
  });
});

for (const state of ["closed", "killed"] as const) {
  Deno.test(`any file deleted from a ${state} log is harmless or an error that names it`, async () => {
    await withLog(async (directory, log) => {
      const files = log[state];
      for (const name of files.keys()) {
        const without = new Map(files);
        without.delete(name);
        writeFiles(directory, without);
        const outcome = await outcomeOf(directory);
        const says = `${name}: ${JSON.stringify(outcome)}`;
        // A reader that comes to a missing segment names the one before.
        const named = name.startsWith("0/") ? `${directory}/0/` : name;
        if (outcome.kind === "error") assert.ok(outcome.message.includes(named), says);
        assert.ok(outcome.kind === "error" || outcome.kind === "harmless", says);
        assert.equal(outcome.kind === "error", /segment|log.json/.test(name), says);
      }
    }, SHORT_SEGMENT_BYTES);
  });
}

Deno.test("a log without its only segment is an error with the file, the records and the cure", async () => {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-damage-" });
  try {
    const log = await open(directory, { segmentBytesMax: 1 << 20 });
    await log.append(0, [new TextEncoder().encode(recordOf(0))]);
    await log.close();
    Deno.removeSync(listSegments(`${directory}/0`)[0].path);
    await assert.rejects(open(directory), (error) => {
      assert.ok(error instanceof LogCorruptError);
      assert.match(error.message, /0000000000000000\.segment: the end is missing .*up to 1 /);
      assert.match(error.message, /Restore the file from a copy/);
      return true;
    });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("a missing oldest segment names the cure of going on without it, which works", async () => {
  await withLog(async (directory, { closed }) => {
    writeFiles(directory, closed);
    const [oldest, next] = listSegments(`${directory}/0`);
    assert.ok(oldest.firstOffset > 0, "the log was trimmed");
    Deno.removeSync(oldest.path);
    const error = await open(directory).then(() => undefined, (error) => error);
    assert.ok(error instanceof LogCorruptError && error.path === oldest.path);
    const gone = `records ${TRIMMED} to ${next.firstOffset - 1}`;
    assert.ok(error.message.includes(gone), error.message);
    const [, from, to] = present(/rename (\S+) to (\S+)\./.exec(error.message), error.message);
    Deno.renameSync(from, `${directory}/0/${to}`);
    const log = await open(directory);
    const records = await readAll(log, TRIMMED);
    assert.equal(records[0], recordOf(next.firstOffset));
    await log.trim(0, RECORDS);
    await log.close();
    await (await open(directory)).close();
  }, SHORT_SEGMENT_BYTES);
});

Deno.test("a kill at any moment of a trim leaves a log that opens", async () => {
  await withLog(async (directory, { closed }) => {
    writeFiles(directory, closed);
    const log = await open(directory);
    const states: Files[] = [];
    const { remove, rename } = Deno;
    const keep = async (work: () => Promise<void>) => {
      states.push(readFiles(directory));
      await work();
      states.push(readFiles(directory));
    };
    Deno.remove = (path, options) => keep(() => remove(path, options));
    Deno.rename = (from, to) => keep(() => rename(from, to));
    try {
      await log.trim(0, RECORDS - 4);
    } finally {
      Object.assign(Deno, { remove, rename });
      await log.close();
    }
    assert.ok(states.length > 8, `${states.length} moments`);
    for (const files of states) {
      writeFiles(directory, files);
      const again = await open(directory);
      const records = await readAll(again, TRIMMED);
      assert.equal(records.at(-1), recordOf(RECORDS - 1));
      await again.trim(0, RECORDS - 2);
      await again.close();
      await (await open(directory)).close();
    }
  }, SHORT_SEGMENT_BYTES);
});

Deno.test("segments without log.json are an error, not a new log", async () => {
  await withLog(async (directory) => {
    Deno.removeSync(`${directory}/log.json`);
    await assert.rejects(open(directory), /log\.json: it is missing, and there are segments/);
  });
});

Deno.test("a log of another build's format is refused", async () => {
  await withLog(async (directory) => {
    const other = { format: LOG_FORMAT + 1, partitions: 1 };
    await writeCheckedJson(`${directory}/log.json`, other, denoFiles);
    await assert.rejects(open(directory), {
      name: "LogFormatError",
      message: `The log in ${directory} has format ${LOG_FORMAT + 1}; this build reads ` +
        `${LOG_FORMAT}. Open it with the build that wrote it, or begin with an empty directory.`,
    });
  });
});

Deno.test("an empty newest segment, which a crash leaves, is removed and the log goes on in the one before", async () => {
  await withLog(async (directory) => {
    Deno.writeFileSync(
      `${directory}/0/${String(RECORDS).padStart(16, "0")}.segment`,
      new Uint8Array(),
    );
    const log = await open(directory);
    assert.equal(await log.append(0, [new TextEncoder().encode(recordOf(RECORDS))]), RECORDS);
    assert.equal((await readAll(log, TRIMMED)).length, RECORDS + 1 - TRIMMED);
    await log.close();
    assert.deepEqual(
      await outcomeOf(directory).then(({ kind }) => kind).catch(() => "more"),
      "more",
    );
  });
});

Deno.test("an empty segment in the middle is an error for its readers, not a loop without end", async () => {
  await withLog(async (directory) => {
    const log = await open(directory, { segmentBytesMax: 100 });
    for (let i = 0; i < 4; i++) await log.append(0, [new Uint8Array(60)]);
    await log.close();
    const second = listSegments(`${directory}/0`).at(-2);
    Deno.truncateSync(second?.path ?? "", 0);
    const outcome = await outcomeOf(directory);
    assert.equal(outcome.kind, "error");
    assert.match(JSON.stringify(outcome), /the file ends before record \d+, which was durable/);
  });
});

Deno.test("zeros behind the last block, which a power failure leaves, are truncated and not kept", async () => {
  await withLog(async (directory) => {
    const { path } = listSegments(`${directory}/0`).at(-1) ?? { path: "" };
    const whole = Deno.readFileSync(path);
    const longer = new Uint8Array(whole.length + 4096);
    longer.set(whole);
    Deno.writeFileSync(path, longer);
    let torn: TornTail | undefined;
    const log = await open(directory, { onTornTail: (tail) => void (torn = tail) });
    assert.deepEqual(torn, { path, position: whole.length, bytes: 4096, savedAt: undefined });
    await log.close();
  });
});

Deno.test("temporary files that a crash left are removed, other files stay", () => {
  const directory = Deno.makeTempDirSync();
  Deno.mkdirSync(`${directory}/blobs/snapshots`, { recursive: true });
  for (const name of ["a.json", "a.json.7-0.tmp", "blobs/snapshots/part.7-1.tmp"]) {
    Deno.writeTextFileSync(`${directory}/${name}`, name);
  }
  removeTemporaries(directory);
  assert.deepEqual([...readFiles(directory).keys()], ["a.json"]);
  Deno.removeSync(directory, { recursive: true });
});
