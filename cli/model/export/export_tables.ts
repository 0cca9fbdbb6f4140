/**
 * The embedding rows of a snapshot as NumPy arrays, and `model.json`, which says how features
 * become ids, which rows a request reads, and how the dense model gets them.
 */
import { restoreNewest } from "../../../actors/embedding_shard/shard_restore.ts";
import type { CairnConfiguration } from "../../../configuration/configuration.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import { trainingNames } from "../../../kernels/dense/training_graph.ts";
import { type ClassPage, ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { EMBEDDINGS, floatOf, widthOf } from "../../../kernels/embedding/row_classes.ts";
import { PrometheusTelemetry } from "../../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import type { BlobStore } from "../../../mesh/ports/blob_store.ts";

/** Version of `model.json` and of the files that it names. */
const EXPORT_FORMAT = 1;
const ROWS_A_PAGE = 65_536;

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
  const quiet = new PrometheusTelemetry({ logLevelMin: "error", writeLog: () => {} });
  const { layout } = configuration.scorer;
  const files = await Promise.all(
    layout.classes.map((each, number) =>
      ArrayFiles.open(`${folder}/class-${number}`, widthOf(each))
    ),
  );
  try {
    // One shard at a time: the rows of all need not fit into the memory of one table.
    for (let shard = 0; shard < configuration.shardCount; shard++) {
      const options = { ...configuration.embeddingShard, shard };
      // The arrays are float32, whatever the precision of serving.
      const tables = ClassTables.create({ ...options.tables, servedPrecision: "fp32" });
      await restoreNewest(tables, options, source.blobs, quiet);
      await writeRows(files, tables);
    }
    for (const file of files) await file.finish();
  } finally {
    for (const file of files) file.close();
  }
  const manifest = manifestOf(configuration, model, source.trainingSteps);
  await Deno.writeTextFile(`${folder}/model.json`, JSON.stringify(manifest, undefined, 2) + "\n");
  return { rows: files.reduce((sum, { rows }) => sum + rows, 0) };
}

async function writeRows(files: readonly ArrayFiles[], tables: ClassTables): Promise<void> {
  for (let page = tables.exportRows(undefined, ROWS_A_PAGE);;) {
    await files[page.class].write(page);
    if (page.done) return;
    page = tables.exportRows(page.cursor, ROWS_A_PAGE);
  }
}

/** The arrays of a class: `.ids.npy`, uint64 `[rows]`, and `.rows.npy`, float32. */
class ArrayFiles {
  readonly #ids: Deno.FsFile;
  readonly #weights: Deno.FsFile;
  readonly #width: number;
  #rows = 0;

  private constructor(ids: Deno.FsFile, weights: Deno.FsFile, width: number) {
    this.#ids = ids;
    this.#weights = weights;
    this.#width = width;
  }

  static async open(name: string, width: number): Promise<ArrayFiles> {
    const ids = await Deno.open(`${name}.ids.npy`, truncated);
    const files = new ArrayFiles(ids, await Deno.open(`${name}.rows.npy`, truncated), width);
    await files.#writeHeaders();
    return files;
  }

  get rows(): number {
    return this.#rows;
  }

  async write({ ids, rows }: Pick<ClassPage, "ids" | "rows">): Promise<void> {
    this.#rows += ids.length;
    await writeAll(this.#ids, bytesOf(ids));
    await writeAll(this.#weights, bytesOf(rows));
  }

  /** States the number of rows in the headers. */
  async finish(): Promise<void> {
    await this.#ids.seek(0, Deno.SeekMode.Start);
    await this.#weights.seek(0, Deno.SeekMode.Start);
    await this.#writeHeaders();
  }

  close(): void {
    this.#ids.close();
    this.#weights.close();
  }

  async #writeHeaders(): Promise<void> {
    await writeAll(this.#ids, npyHeader("<u8", [this.#rows]));
    await writeAll(this.#weights, npyHeader("<f4", [this.#rows, this.#width]));
  }
}

const truncated = { write: true, create: true, truncate: true } as const;

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Bytes of a header, whatever the number of rows. */
const HEADER_BYTES = 128;

/**
 * The header of an array in C order.
 *
 * @see https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
function npyHeader(type: "<u8" | "<f4", shape: readonly number[]): Uint8Array {
  const sizes = shape.map((size) => `${size},`).join(" ");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const before = 10; // magic, version, length of the text
  const padded = text.padEnd(HEADER_BYTES - before - 1) + "\n";
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
          dim === 0 ? [] : [{
            slot: schema.slots[column].name,
            from: floatOf(layout, { column, slice, dim }),
            dim,
          }]
        ),
      })),
      histories: model.historyInputs.map(({ name, slot, lengthMax, dim }) => ({
        name,
        present: trainingNames.presentIn(name),
        slot: schema.slots[slot].name,
        lengthMax,
        from: floatOf(layout, { column: slot, slice: EMBEDDINGS, dim }),
        dim,
      })),
      dense: schema.denseWidth > 0 ? trainingNames.dense : null,
    },
    output: trainingNames.logits,
    tasks: model.tasks.map(({ loss }, task) => ({ name: taskNames[task], loss })),
  };
}
