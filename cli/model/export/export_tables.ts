/**
 * The embedding rows of a snapshot as NumPy arrays, and `model.json`, which says how features
 * become ids, which rows a request reads, and how the dense model gets them.
 */
import { restoreNewest } from "../../../actors/embedding_shard/shard_restore.ts";
import type { CairnConfiguration } from "../../../configuration/configuration.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import { trainingNames } from "../../../kernels/dense/training_graph.ts";
import type { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { type RowClass, widthOf } from "../../../kernels/embedding/row_classes.ts";
import { PrometheusTelemetry } from "../../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { BlobStore } from "../../../mesh/ports/blob_store.ts";
import { wholeTables } from "../../../offline/training/training_pass.ts";

/** Version of `model.json` and of the files that it names. */
const EXPORT_FORMAT = 1;
const ROWS_A_PAGE = 65_536;
/** The slice that histories are made of. */
const EMBEDDINGS = "embeddings";

/** The number of exported rows. */
export interface ExportedTables {
  readonly rows: number;
}

/**
 * Writes the tables of the newest snapshot and `model.json` into a folder.
 *
 * @param trainingSteps Training steps behind the dense weights.
 * @throws {SnapshotError} When a part is missing or damaged.
 */
export async function exportTables(
  folder: string,
  configuration: CairnConfiguration,
  model: Model,
  source: { readonly blobs: BlobStore; readonly trainingSteps: number },
): Promise<ExportedTables> {
  const tables = wholeTables(configuration);
  const whole = { ...configuration.embeddingShard, shard: 0, shards: 1 };
  const quiet = new PrometheusTelemetry({ logLevelMin: "error", writeLog: () => {} });
  await restoreNewest(tables, whole, source.blobs, quiet);
  await writeArrays(folder, tables);
  const manifest = manifestOf(configuration, model, source.trainingSteps);
  await Deno.writeTextFile(`${folder}/model.json`, JSON.stringify(manifest, undefined, 2) + "\n");
  return { rows: tables.statistics().rows };
}

/** `class-<number>.ids.npy`, uint64 `[rows]`, and `class-<number>.rows.npy`, float32. */
async function writeArrays(folder: string, tables: ClassTables): Promise<void> {
  const { classes } = tables.statistics();
  const files = await Promise.all(classes.map(async ({ rows }, number) => {
    const ids = await Deno.open(`${folder}/class-${number}.ids.npy`, truncated);
    const weights = await Deno.open(`${folder}/class-${number}.rows.npy`, truncated);
    await writeAll(ids, npyHeader("<u8", [rows]));
    await writeAll(weights, npyHeader("<f4", [rows, tables.widths[number]]));
    return { ids, weights };
  }));
  try {
    for (let page = tables.exportRows(undefined, ROWS_A_PAGE);;) {
      const { ids, weights } = files[page.class];
      await writeAll(ids, bytesOf(page.ids));
      await writeAll(weights, bytesOf(page.rows));
      if (page.done) break;
      page = tables.exportRows(page.cursor, ROWS_A_PAGE);
    }
  } finally {
    for (const { ids, weights } of files) {
      ids.close();
      weights.close();
    }
  }
}

const truncated = { write: true, create: true, truncate: true } as const;

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/**
 * The header of an array in C order.
 *
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
function npyHeader(type: "<u8" | "<f4", shape: readonly number[]): Uint8Array {
  const sizes = shape.map((size) => `${size},`).join(" ");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const before = 10; // magic, version, length of the text
  const padded = text.padEnd(64 * Math.ceil((before + text.length + 1) / 64) - before - 1) + "\n";
  return Uint8Array.of(
    ...[0x93, ...new TextEncoder().encode("NUMPY"), 1, 0],
    ...[padded.length & 0xff, padded.length >> 8],
    ...new TextEncoder().encode(padded),
  );
}

/** The contents of `model.json`. */
function manifestOf(configuration: CairnConfiguration, model: Model, trainingSteps: number) {
  const { features: { schema }, scorer: { layout }, ranker: { taskNames } } = configuration;
  const { classes, classByColumn } = layout;
  const classOf = (column: number) => classes[classByColumn[column]];
  return {
    format: EXPORT_FORMAT,
    model: model.options.kind,
    trainingSteps,
    featureIds: "slot number << 48 | low 48 bits of XXH64(UTF-8 text, seed 0)",
    slots: schema.slots.map((slot, column) => ({ ...slot, class: classByColumn[column] })),
    dense: schema.dense,
    keptOfItems: schema.keptOfItems ?? [],
    classes: classes.map(({ slices }, number) => ({
      ids: `class-${number}.ids.npy`,
      rows: `class-${number}.rows.npy`,
      slices,
    })),
    inputs: {
      pooled: model.sparseInputs.map(({ slice, dims }) => ({
        name: slice,
        parts: dims.flatMap((dim, column) =>
          dim === 0
            ? []
            : [{ slot: schema.slots[column].name, ...columnsOf(classOf(column), slice, dim) }]
        ),
      })),
      histories: model.historyInputs.map(({ name, slot, lengthMax, dim }) => ({
        name,
        present: trainingNames.presentIn(name),
        slot: schema.slots[slot].name,
        lengthMax,
        ...columnsOf(classOf(slot), EMBEDDINGS, dim),
      })),
      dense: schema.denseWidth > 0 ? trainingNames.dense : null,
    },
    output: trainingNames.logits,
    tasks: model.tasks.map(({ loss }, task) => ({ name: taskNames[task], loss })),
  };
}

/** Where a slice lies in the rows of a class. */
function columnsOf({ slices }: RowClass, slice: string, dim: number) {
  const number = slices.findIndex((each) => each.name === slice && each.dim === dim);
  return { from: widthOf({ slices: slices.slice(0, number) }), dim };
}
