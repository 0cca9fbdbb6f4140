/**
 * Memory of rows, measured here: tables of the configured classes are filled with rows, and say how
 * much memory they claim.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { ClassTables } from "../../kernels/embedding/class_tables.ts";
import { widthOf } from "../../kernels/embedding/row_classes.ts";
import { ServingTable } from "../../kernels/embedding/serving_table.ts";

/** Rows of the two measurements of a table: their difference is the memory of rows alone. */
const [FEW_ROWS, MANY_ROWS] = [50_000, 150_000];
const BATCH_ROWS = 10_000;
/** Limit of the measured tables: enough for their rows at any width. */
const BYTES_MAX = 2 ** 31;

/** Bytes of one row, its part of the index included. */
export interface RowMemory {
  readonly trainingBytes: number;
  readonly servingBytes: number;
}

/** Memory of a row by class of rows. */
export function measureRowMemory(
  { embeddingShard, servingReplica }: Pick<CairnConfiguration, "embeddingShard" | "servingReplica">,
): RowMemory[] {
  const { classes, seed } = embeddingShard.tables;
  return classes.map((each, number) => ({
    trainingBytes: trainingBytes(each, seed),
    servingBytes: servingBytes(servingReplica.widths[number], servingReplica.precision),
  }));
}

/** Memory that the tables of all shards claim before they have rows: their directories of pages. */
export function measureEmptyTables(
  { embeddingShard, shardCount }: Pick<CairnConfiguration, "embeddingShard" | "shardCount">,
): number {
  return shardCount * ClassTables.create(embeddingShard.tables).statistics().bytes;
}

type ClassOptions = CairnConfiguration["embeddingShard"]["tables"]["classes"][number];

function trainingBytes(options: ClassOptions, seed: number): number {
  // Admission keeps ids out, and the measurement wants a row for each.
  const slots = options.slots.map(({ number }) => ({
    number,
    admission: { kind: "threshold", threshold: 1 } as const,
  }));
  const tables = ClassTables.create({
    seed,
    atLimit: "reject",
    bytesMax: BYTES_MAX,
    classes: [{ ...options, slots }],
  });
  const width = widthOf(options);
  return bytesOfRow(
    (ids) =>
      tables.applyGradients(
        { ids, starts: Uint32Array.of(0, ids.length) },
        new Float32Array(ids.length * width),
        new Uint32Array(ids.length).fill(1),
        1,
      ),
    () => tables.statistics().bytes,
  );
}

function servingBytes(
  width: number,
  precision: CairnConfiguration["servingReplica"]["precision"],
): number {
  const table = ServingTable.create({ width, precision, bytesMax: BYTES_MAX });
  return bytesOfRow(
    (ids) => void table.upsert(ids, new Float32Array(ids.length * width)),
    () => table.statistics().bytes,
  );
}

function bytesOfRow(
  take: (ids: BigUint64Array<ArrayBuffer>) => void,
  bytes: () => number,
): number {
  let few = 0;
  for (let from = 0; from < MANY_ROWS; from += BATCH_ROWS) {
    if (from === FEW_ROWS) few = bytes();
    // Spread like hashes, as feature ids are.
    take(BigUint64Array.from(
      { length: BATCH_ROWS },
      (_, i) => BigInt.asUintN(48, BigInt(from + i + 1) * 0x9E37_79B9_7F4A_7C15n),
    ));
  }
  return (bytes() - few) / (MANY_ROWS - FEW_ROWS);
}
