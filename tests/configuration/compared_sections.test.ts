/**
 * Goal: hosts refuse each other where their files mean different things, and only there: neither
 * for a default that one file spells out, nor for a field that one build does not know. Method:
 * files of every kind of model, optimizer and slot with defaults spelled out at random, and a list
 * of all defaults that digests have ever left out.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ComparedSections } from "../../configuration/compared_sections.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { describedSchema, type JsonSchemaNode } from "../../configuration/schema.ts";
import { formatBytes, formatDuration } from "../../configuration/units.ts";
import { present } from "../../structures/invariant.ts";
import { slotNumberOf } from "../../kernels/features/schema.ts";

/** A part of a file as it is written. */
type Written = Record<string, unknown>;

const small: Written = {
  features: {
    slots: {
      user: { kind: "id", source: "user" },
      item: { kind: "id", source: "item" },
      genres: { kind: "list", source: "item" },
      price: {
        kind: "numeric",
        source: "item",
        buckets: { kind: "log" },
        dense: { kind: "none" },
      },
      age: {
        kind: "numeric",
        source: "user",
        dense: { kind: "standard", mean: 30, stddev: 10 },
      },
      taste: { kind: "cross", of: ["user", "genres"] },
      hour: { kind: "time", part: "hourOfDay" },
    },
  },
};

const described = describedSchema();
const compared = ["features", "model", "embeddings", "joiner", "trainer", "sync"];

Deno.test("it does not matter which defaults a file spells out", () => {
  const modelKinds = kindsOf(described.properties?.model);
  const optimizers = kindsOf(described.properties?.model.oneOf?.[0].properties?.optimizer);
  const rows = kindsOf(sliceRules().optimizer);
  const values = kindsOf(sliceRules().initializer)
    .map((kind) => ({ kind, ...(kind === "constant" && { value: 1 }) }));
  const file = fc.record({
    features: fc.constant(small.features),
    model: fc.oneof(
      fc.record({ kind: fc.constantFrom(...modelKinds) }),
      fc.record({
        kind: fc.constant("deepFm"),
        attention: fc.constant([{ slot: "genres", candidate: "item" }]),
        optimizer: fc.record({
          kind: fc.constantFrom(...optimizers),
          learningRate: fc.constant(1),
        }),
        learningRateSchedule: fc.constant({ decay: { kind: "exponential", steps: 9 } }),
        listLoss: fc.constant({}),
      }),
    ),
    embeddings: fc.record({
      slots: fc.constant({ item: { admission: { kind: "threshold", threshold: 2 } } }),
      slices: fc.record({
        embeddings: fc.record({
          optimizer: fc.record({ kind: fc.constantFrom(...rows), learningRate: fc.constant(1) }),
          initializer: fc.constantFrom(...values),
        }),
      }),
    }),
    joiner: fc.record({
      tasks: fc.constantFrom({}, { click: [{ action: "click", label: "positive" }] }),
      lateLabels: fc.constantFrom({}, { click: "1d" }),
    }),
  }, { requiredKeys: ["features"] });
  fc.assert(fc.property(file, fc.infiniteStream(fc.boolean()), (file, coins) => {
    if (file.model?.kind === "logisticRegression") delete file.embeddings;
    const properties = Object.fromEntries(
      compared.map((name) => [name, present(described.properties?.[name], "a section")]),
    );
    const spelt = spellOut({ properties }, file, () => coins.next().value);
    assert.deepEqual(sectionsOf(spelt as Written), sectionsOf(file));
  }));
});

Deno.test("nor whether it spells out a default that depends on other values", () => {
  const spelt = structuredClone(small) as { features: { slots: Record<string, Written> } };
  for (const [name, slot] of Object.entries(spelt.features.slots)) {
    Object.assign(slot, { slot: slotNumberOf(name), ...(name !== "age" && { embeddingDim: 16 }) });
  }
  Object.assign(spelt.features.slots.price, { attribute: "price" });
  const slices = {
    first_order: {
      initializer: { kind: "zeros" },
      optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 1e-3 },
    },
  };
  const file = {
    ...spelt,
    model: { taskLosses: { click: "binaryCrossEntropy" }, taskWeights: { click: 1 } },
    embeddings: { slices },
    joiner: { tasks: { click: [{ action: "click", label: "positive" }] } },
  };
  assert.deepEqual(
    sectionsOf({ ...file, model: { kind: "deepFm", ...file.model } }),
    sectionsOf(small),
  );
});

Deno.test("a section differs where a file means something else", () => {
  const slots = (small.features as Record<string, Record<string, Written>>).slots;
  const changes: readonly (readonly [keyof ComparedSections, Written])[] = [
    ["features", { features: { slots: { ...slots, hour: { kind: "time", part: "dayOfWeek" } } } }],
    ["features", { features: { slots: Object.fromEntries(Object.entries(slots).reverse()) } }],
    ["model", { model: { kind: "deepFm", hidden: [32] } }],
    ["model", { model: { kind: "deepFm", optimizer: { kind: "adam", learningRate: 0.01 } } }],
    ["model", { model: { kind: "deepFm", taskWeights: { click: 2 } } }],
    ["embeddings", { embeddings: { expiry: "1d" } }],
    ["embeddings", { embeddings: { slices: { embeddings: { initializer: { kind: "zeros" } } } } }],
    ["joiner.tasks", { joiner: { tasks: { click: [{ action: "buy", label: "positive" }] } } }],
    ["joiner", { joiner: { window: "1h" } }],
    ["joiner", { joiner: { lateLabels: { click: "1d" } } }],
    ["trainer", { trainer: { provider: "auto" } }],
    ["sync", { sync: { rowsMax: 1 } }],
  ];
  const before = sectionsOf(small);
  for (const [section, change] of changes) {
    const after = sectionsOf({ ...small, ...change });
    assert.notDeepEqual(after[section], before[section], JSON.stringify(change));
  }
  const unbounded = { ...small, model: { kind: "deepFm", taskLosses: { click: "squaredError" } } };
  const rule = { action: "click", label: "value" };
  const bounded = { ...unbounded, joiner: { tasks: { click: [{ ...rule, valueMax: 5 }] } } };
  assert.notDeepEqual(sectionsOf(bounded).model, sectionsOf(unbounded).model);
});

Deno.test("a default that digests leave out stays the one that they leave out", async () => {
  const path = new URL("first_defaults.txt", import.meta.url);
  /** Fields that each host may have of its own. */
  const own = [
    /^features\.itemCache/,
    /^model.*\.learningRateSchedule/,
    /^embeddings\.(bytesMax|eviction|awaitedBytesMax|serving)/,
    /^joiner\.(?!tasks)/,
  ];
  const names = ["features", "model", "embeddings", "joiner", "placement"];
  const { properties = {}, required } = described;
  const agreed = Object.fromEntries(names.map((name) => [name, properties[name]]));
  const now = firstDefaultsIn({ properties: agreed, ...(required && { required }) })
    .map((line) => line.slice(1)).filter((line) => !own.some((path) => path.test(line)));
  const known = (await Deno.readTextFile(path)).trimEnd().split("\n");
  assert.deepEqual(
    now,
    known,
    "Hosts leave these defaults out of their digests. Where one has changed, name the one before " +
      "with `.meta({ firstDefault: … })` (null = none), so that builds with the one and the other " +
      "differ; so too where a field that was required has a line now. A line of a new field is " +
      "added to first_defaults.txt.",
  );
});

/** The compared sections as hosts compare them. */
function sectionsOf(file: Written): ComparedSections {
  const { compared } = parseConfiguration(JSON.stringify(file), "cairn.yaml");
  return JSON.parse(JSON.stringify(compared));
}

function kindsOf(node: JsonSchemaNode | undefined): string[] {
  return present(node?.oneOf, "a union").map(({ properties }) => String(properties?.kind.const));
}

function sliceRules(): Readonly<Record<string, JsonSchemaNode>> {
  const slice = described.properties?.embeddings.properties?.slices.additionalProperties;
  return present((slice as JsonSchemaNode | undefined)?.properties, "slices have rules");
}

/** A copy of a written value with more of its defaults written out, drawn one by one. */
function spellOut(node: JsonSchemaNode, written: unknown, isSpelt: () => boolean): unknown {
  if (typeof written !== "object" || written === null) return written;
  if (Array.isArray(written)) {
    return written.map((each) => spellOut(present(node.items, "elements"), each, isSpelt));
  }
  const fields = written as Written;
  const option = node.oneOf?.find(({ properties }) => properties?.kind.const === fields.kind);
  const { properties = {}, additionalProperties } = option ?? node;
  const spelt = Object.entries(properties)
    .filter(([name, { default: value }]) =>
      value !== undefined && !Object.hasOwn(fields, name) && isSpelt()
    )
    .map(([name, property]) => [name, asWritten(property)] as const);
  return Object.fromEntries(
    [...Object.entries(fields), ...spelt].map(([name, field]) => {
      const inner = properties[name] ?? additionalProperties;
      return [name, typeof inner === "object" ? spellOut(inner, field, isSpelt) : field];
    }),
  );
}

/** The default of a field as a file has it. */
function asWritten({ default: value, range }: JsonSchemaNode): unknown {
  if (range === undefined) return value;
  return (range.unit === "ms" ? formatDuration : formatBytes)(value as number);
}

/** The value that digests leave out; `none` where they have each value. */
function firstDefaultOf({ firstDefault, default: now = null }: JsonSchemaNode): string {
  const first = firstDefault === undefined ? now : firstDefault;
  return first === null ? "none" : JSON.stringify(first);
}

/**
 * A line for each field that a file may leave out in a part of the schema: its path from there,
 * with the kinds of the unions that it passes, and its first default.
 */
function firstDefaultsIn(node: JsonSchemaNode): string[] {
  const { properties = {}, additionalProperties, items, oneOf = [], required = [] } = node;
  const kindsByLine = new Map<string, unknown[]>();
  for (const option of oneOf) {
    for (const line of firstDefaultsIn(option)) {
      kindsByLine.set(line, [...kindsByLine.get(line) ?? [], option.properties?.kind.const]);
    }
  }
  const under = (path: string, inner: JsonSchemaNode) =>
    firstDefaultsIn(inner).map((line) => path + line);
  return [
    ...Object.entries(properties).flatMap(([name, property]) => [
      ...(required.includes(name) ? [] : [`.${name} = ${firstDefaultOf(property)}`]),
      ...under(`.${name}`, property),
    ]),
    ...(typeof additionalProperties === "object" ? under(".*", additionalProperties) : []),
    ...(items === undefined ? [] : under("[]", items)),
    ...[...kindsByLine].map(([line, kinds]) =>
      `(${kinds.length === oneOf.length ? "*" : kinds.join("|")})${line}`
    ),
  ];
}
