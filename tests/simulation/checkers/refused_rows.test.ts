import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import {
  EMPTY_QUARANTINE,
  type RefusedRow,
  ROWS_MAX,
  writeQuarantine,
} from "../../../records/quarantine.ts";
import { refusedRows } from "../../../simulation/checkers/refused_rows.ts";

const TOO_LARGE = 1e30;

/** The checker of a log of one partition and a quarantine. */
function watch() {
  const blobs = new MemoryBlobStore();
  let nowMs = 0;
  let rows = 0;
  const clock = {
    monotonicMs: () => nowMs,
    schedule(ms: number, then: () => void) {
      nowMs += ms;
      queueMicrotask(then);
    },
  };
  const process = { stores: { blobs }, mesh: { home: { clock } } } as never;
  const failures: string[] = [];
  const context = { nowMs: () => nowMs, fail: (message: string) => void failures.push(message) };
  const checker = refusedRows(() => process)(context);
  const chunk = (labels: readonly number[], ids: readonly bigint[], forget?: number) => {
    checker.durable?.("examples", 0, [chunkOf({ firstRow: rows, labels, ids, forget })], 0);
    rows += forget === undefined ? labels.length : 1;
  };
  return {
    /** A row of one id becomes durable. */
    logs: (label: number, id = 1n) => chunk([label], [id]),
    erases: (signature: number) => chunk([], [], signature),
    /** The promise that is broken once the quarantine has these rows and no others. */
    async recorded(...numbers: readonly number[]): Promise<string | undefined> {
      const recorded = numbers.map((row) => ({ row }) as RefusedRow);
      await writeQuarantine(blobs, gradientSource(0), { ...EMPTY_QUARANTINE, rows: recorded });
      failures.splice(0);
      await checker.atEnd?.();
      return failures[0];
    },
  };
}

function chunkOf({ firstRow, labels, ids, forget }: {
  readonly firstRow: number;
  readonly labels: readonly number[];
  readonly ids: readonly bigint[];
  readonly forget: number | undefined;
}): Uint8Array {
  const rows = labels.length;
  return encodeExamples({
    firstRow,
    rows,
    schemaFingerprint: 5,
    ids: new Uint8Array(BigUint64Array.from(ids).buffer),
    listOffsets: new Uint8Array(Uint32Array.from({ length: rows + 1 }, (_, i) => i).buffer),
    dense: new Uint8Array(),
    labels: new Uint8Array(Float32Array.from(labels).buffer),
    logSampleRate: new Uint8Array(4 * rows),
    servedPredictions: new Uint8Array(4 * rows),
    atMs: 0,
    acceptedAtMs: 0,
    ...(forget !== undefined && {
      forget: [{ erasureId: "e", pass: 1 as const, signature: forget }],
    }),
  });
}

Deno.test("the rows that no model can learn are recorded, each once, and no others", async () => {
  const { logs, recorded } = watch();
  logs(1);
  logs(TOO_LARGE);
  logs(-TOO_LARGE);
  assert.equal(await recorded(1, 2), undefined);
  assert.match(await recorded(1) ?? "", /^row 2 of \S+ is in no quarantine$/);
  assert.match(await recorded() ?? "", /^row 1 of \S+ is in no quarantine$/);
  assert.match(await recorded(0, 1, 2) ?? "", /^row 0 of \S+ was refused, and is sound$/);
  assert.match(await recorded(1, 2, 1) ?? "", /^row 1 of \S+ is recorded twice$/);
});

Deno.test("a recorded row leaves the quarantine with an id that is erased later", async () => {
  const [slot, signature] = [3n << 48n, 7];
  const { logs, erases, recorded } = watch();
  logs(TOO_LARGE, slot | BigInt(signature));
  logs(TOO_LARGE, slot | 8n);
  erases(signature);
  assert.equal(await recorded(1), undefined);
  assert.match(await recorded(0, 1) ?? "", /^row 0 of \S+ has an id that was erased/);
});

Deno.test("a row behind the erasure of its id may be recorded, or not", async () => {
  const { logs, erases, recorded } = watch();
  erases(7);
  logs(TOO_LARGE, 7n);
  assert.equal(await recorded(1), undefined);
  assert.equal(await recorded(), undefined);
});

Deno.test("rows that newer ones drove out of the quarantine stay out after an erasure", async () => {
  const { logs, erases, recorded } = watch();
  for (let row = 0; row < ROWS_MAX; row++) logs(TOO_LARGE);
  logs(TOO_LARGE, 7n);
  erases(7);
  const kept = Array.from({ length: ROWS_MAX - 1 }, (_, i) => i + 1);
  assert.equal(await recorded(...kept), undefined);
  assert.match(await recorded(...kept.slice(1)) ?? "", /^row 1 of \S+ is in no quarantine$/);
});
