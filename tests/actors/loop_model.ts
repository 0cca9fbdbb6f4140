/**
 * The features, tables and dense model of the loop.
 */
import { createModel } from "../../kernels/dense/models/create_model.ts";
import type { ClassTablesOptions } from "../../kernels/embedding/class_tables.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";
import type { FeatureSchema } from "../../kernels/features/schema.ts";
import { rowColumnsOf } from "../../kernels/features/schema_fingerprint.ts";
import type { AttributeTypes } from "../../rules/attribute_types.ts";

export const DIM = 4;
export const LAYOUT: RowLayout = {
  classes: [{
    slots: [],
    slices: [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: DIM }],
  }],
  classByColumn: [0, 0, 0],
};

export const SCHEMA: FeatureSchema = {
  slots: [
    { kind: "id", name: "user", number: 1, source: "user", pooling: "sum" },
    { kind: "id", name: "item", number: 2, source: "item", pooling: "sum" },
    {
      kind: "list",
      name: "tags",
      number: 3,
      source: "item",
      attribute: "tags",
      valuesMax: 4,
      pooling: "mean",
    },
  ],
  dense: [],
  denseWidth: 0,
};

export const ATTRIBUTE_TYPES: AttributeTypes = {
  item: { tags: "texts", price: "number", brand: "text" },
  user: { brand: "text" },
  context: {},
};

const TABLES: ClassTablesOptions = {
  seed: 17,
  classes: [{
    slices: [
      {
        name: "first_order",
        dim: 1,
        initializer: { kind: "zeros" },
        optimizer: { kind: "adagrad", learningRate: 0.2, initialAccumulator: 0.01 },
      },
      {
        name: "embeddings",
        dim: DIM,
        initializer: { kind: "uniform", low: -0.3, high: 0.3 },
        optimizer: { kind: "adagrad", learningRate: 0.2, initialAccumulator: 0.01 },
      },
    ],
    slots: [],
  }],
  bytesMax: 64 << 20,
  atLimit: "reject",
};

/** The columns of the loop's rankings. */
export const COLUMNS = rowColumnsOf(SCHEMA, "clicked");

export const MODEL = createModel(
  { kind: "deepFm", embeddingDim: DIM, hidden: [8] },
  { ...COLUMNS, tasks: 1 },
);

/** The shards' tables; rows of all slots expire where `expirySeconds` is given. */
export function tablesOf(expirySeconds: number | undefined): ClassTablesOptions {
  if (expirySeconds === undefined) return TABLES;
  const slots = SCHEMA.slots.map(({ number }) => {
    return { number, admission: { kind: "threshold", threshold: 0 }, expirySeconds } as const;
  });
  return { ...TABLES, classes: TABLES.classes.map((each) => ({ ...each, slots })) };
}
