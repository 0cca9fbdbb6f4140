/**
 * The serving graph for the rows of rankings against the graph for whole rows: random models,
 * widths, shared slots, rankings and rows.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Evaluator } from "../../../kernels/dense/graph/evaluate.ts";
import { resolveShape, staticSize } from "../../../kernels/dense/graph/shape.ts";
import { pickedRows, sharedColumnsOf } from "../../../kernels/dense/graph/shared_columns.ts";
import { topologicalOrder } from "../../../kernels/dense/graph/value.ts";
import {
  compileByRanking,
  compileInference,
  rankingNames,
} from "../../../kernels/dense/inference_graph.ts";
import {
  createInferenceSession,
  type InferenceBatch,
} from "../../../kernels/dense/inference_session.ts";
import { createModel } from "../../../kernels/dense/models/create_model.ts";
import type { Model } from "../../../kernels/dense/models/model.ts";
import type { ModelOptions } from "../../../kernels/dense/models/options.ts";
import { numbers } from "./finite_differences.ts";
import { exampleModel, EXAMPLES } from "./models/example_models.ts";

/** The kinds whose slots are only multiplied by weights and added up. */
const DIVIDED_KINDS = [
  "logisticRegression",
  "factorizationMachine",
  "wideAndDeep",
  "deepFm",
  "finalNet",
  "mmoe",
] as const;
const NORMALIZATIONS = ["none", "layer", "batch"] as const;

interface Case {
  readonly model: Model;
  readonly sharedSlots: readonly number[];
  readonly sumsAreProducts: boolean;
  /** Rows of each ranking; 0 where no candidate is left. */
  readonly rowsOf: readonly number[];
}

function optionsOf(
  kind: typeof DIVIDED_KINDS[number],
  { dim, slotDims, normalization }: {
    dim: number;
    slotDims: number[];
    normalization: typeof NORMALIZATIONS[number];
  },
): ModelOptions {
  const tower = { hidden: [6, 4], normalization };
  switch (kind) {
    case "logisticRegression":
      return { kind };
    case "factorizationMachine":
      return { kind, embeddingDim: dim };
    case "deepFm":
      return { kind, embeddingDim: dim, ...tower };
    case "wideAndDeep":
    case "finalNet":
      return { kind, embeddingDim: dim, slotDims, ...tower };
    case "mmoe":
      return {
        kind,
        embeddingDim: dim,
        slotDims,
        experts: 3,
        expertHidden: [5],
        towerHidden: [4],
        normalization,
      };
  }
}

const cases: fc.Arbitrary<Case> = fc.record({
  kind: fc.constantFrom(...DIVIDED_KINDS),
  // 1 + own and shared slots; some dims make the product of a sum longer than its limit.
  isShared: fc.array(fc.boolean(), { minLength: 2, maxLength: 7 })
    .filter((slots) => slots.includes(true) && slots.includes(false)),
  dim: fc.constantFrom(1, 3, 16, 48),
  dims: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 7, maxLength: 7 }),
  denseWidth: fc.constantFrom(0, 1, 3),
  tasks: fc.integer({ min: 1, max: 3 }),
  normalization: fc.constantFrom(...NORMALIZATIONS),
  sumsAreProducts: fc.boolean(),
  rowsOf: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
}).map(({ kind, isShared, dim, dims, denseWidth, tasks, normalization, ...form }) => {
  const slotDims = dims.slice(0, isShared.length);
  const model = createModel(optionsOf(kind, { dim, slotDims, normalization }), {
    slots: isShared.length,
    denseWidth,
    tasks,
  });
  const sharedSlots = isShared.flatMap((shared, slot) => shared ? [slot] : []);
  return { model, sharedSlots, ...form };
});

/** The same rows in both forms. */
function batchesOf(
  { model, sharedSlots, rowsOf }: Case,
): Record<"whole" | "byRanking", InferenceBatch> {
  const rankingOfRow = Float32Array.from(
    rowsOf.flatMap((rows, ranking) => Array.from({ length: rows }, () => ranking)),
  );
  const rows = rankingOfRow.length;
  const whole: Record<string, Float32Array<ArrayBuffer>> = {};
  const own: typeof whole = {}, shared: typeof whole = {};
  model.sparseInputs.forEach(({ slice, dims }, i) => {
    const slotOf = dims.flatMap((dim, slot) => Array.from({ length: dim }, () => slot));
    const isShared = slotOf.map((slot) => sharedSlots.includes(slot));
    const width = slotOf.length;
    const values = Float32Array.from(numbers(rows * width, 7 + i));
    // Each row has the shared values of its ranking's first row.
    values.forEach((_, at) => {
      const row = Math.floor(at / width), first = rankingOfRow.indexOf(rankingOfRow[row]);
      if (isShared[at % width]) values[at] = values[first * width + at % width];
    });
    whole[slice] = values;
    own[slice] = values.filter((_, at) => !isShared[at % width]);
    shared[slice] = Float32Array.from(rowsOf.flatMap((rows, ranking) => {
      const first = rankingOfRow.indexOf(ranking) * width;
      return slotOf.flatMap((_, column) =>
        isShared[column] ? [rows === 0 ? 0 : values[first + column]] : []
      );
    }));
  });
  const dense = Float32Array.from(numbers(rows * model.sizes.denseWidth, 3));
  return {
    whole: { rows, sparse: whole, dense },
    byRanking: {
      rows,
      sparse: own,
      dense,
      shared: { rankings: rowsOf.length, sparse: shared, rankingOfRow },
    },
  };
}

Deno.test("rows of rankings get the logits of whole rows, for random models and slots", () => {
  fc.assert(fc.property(cases, (each) => {
    const { model, sharedSlots, sumsAreProducts } = each;
    const whole = compileInference(model, { sumsAreProducts });
    const divided = compileByRanking(model, { sumsAreProducts }, sharedSlots);
    assert.ok(divided !== undefined);
    assert.deepEqual(divided.layout, whole.layout);
    const batches = batchesOf(each);
    const weights: Record<string, Float64Array> = {};
    whole.graph.parameters.forEach(({ name, shape }, i) =>
      weights[name] = Float64Array.from(numbers(staticSize(shape), 40 + i))
    );
    const { rows, dense, shared } = batches.byRanking;
    assert.ok(shared !== undefined);
    const expected = new Evaluator([whole.logits]).evaluate(
      { ...weights, ...batches.whole.sparse, dense },
      { rows },
    );
    const found = new Evaluator([divided.logits]).evaluate({
      ...weights,
      ...Object.fromEntries(
        divided.graph.parameterRows.map(({ input, of, rows }) =>
          [input.name, pickedRows(weights[of], resolveShape(input.shape, {})[1], rows)] as const
        ),
      ),
      ...batches.byRanking.sparse,
      ...Object.fromEntries(
        Object.entries(shared.sparse).map(([slice, values]) =>
          [rankingNames.sharedOf(slice), values] as const
        ),
      ),
      [rankingNames.rankingOfRow]: shared.rankingOfRow,
      dense,
    }, { rows, rankings: shared.rankings });
    found[0].data.forEach((logit, i) => {
      const difference = Math.abs(logit - expected[0].data[i]);
      assert.ok(difference <= 1e-10 * Math.max(1, Math.abs(logit)), `row ${i}`);
    });
  }));
});

/** Sessions that have a form by ranking, and the rounding of their sums. */
const DIVIDED_PROVIDERS = fc.constantFrom(
  { provider: "cpu", rounding: 1e-4 } as const,
  { provider: "reference", rounding: 1e-6 } as const,
);

Deno.test("a session on the CPU or the reference provider gives rows of rankings the logits of whole rows, up to rounding", async () => {
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(), DIVIDED_PROVIDERS, async (each, seed, divided) => {
      const { model, sharedSlots } = each;
      const options = { provider: divided.provider, threads: 1, seed, sharedSlots };
      const session = await createInferenceSession(model, options);
      try {
        assert.deepEqual(session.sharedSlots, sharedSlots);
        const { whole, byRanking } = batchesOf(each);
        const expected = (await session.predict(whole)).slice();
        const found = await session.predict(byRanking);
        found.forEach((logit, i) =>
          assert.ok(
            Math.abs(logit - expected[i]) <= divided.rounding * Math.max(1, Math.abs(logit)),
          )
        );
      } finally {
        await session.close();
      }
    }),
    { numRuns: 40 },
  );
});

for (const provider of ["cpu", "reference"] as const) {
  Deno.test(`new weights take effect in both forms of a session on the provider ${provider}`, async () => {
    const model = exampleModel(EXAMPLES.deepFm);
    const each = { model, sharedSlots: [0, 3], sumsAreProducts: true, rowsOf: [2, 3] };
    const options = { provider, threads: 1, sharedSlots: each.sharedSlots };
    const session = await createInferenceSession(model, { ...options, seed: 1 });
    const { whole, byRanking } = batchesOf(each);
    const before = (await session.predict(byRanking)).slice();
    const { graph } = compileInference(model, each);
    session.load({
      version: 5,
      parameters: Object.fromEntries(graph.parameters.map(({ name, shape }, i) => {
        const data = Float32Array.from(numbers(staticSize(shape), 90 + i));
        return [name, { shape: shape as number[], data }] as const;
      })),
    });
    const expected = (await session.predict(whole)).slice();
    const found = (await session.predict(byRanking)).slice();
    await session.close();
    found.forEach((logit, i) => {
      assert.ok(Math.abs(logit - expected[i]) <= 1e-5 * Math.max(1, Math.abs(logit)));
      assert.notEqual(logit, before[i]);
    });
  });
}

Deno.test("models that combine their slots otherwise, and slots of one kind, have no form by ranking", () => {
  const form = { sumsAreProducts: true };
  const divided = (options: ModelOptions, slots: readonly number[]) =>
    compileByRanking(exampleModel(options), form, slots);
  for (const [name, options] of Object.entries(EXAMPLES)) {
    const isWhole = ["dcnV2", "dlrm"].includes(options.kind) || options.attention !== undefined;
    assert.equal(divided(options, [0, 3]) === undefined, isWhole, name);
  }
  assert.equal(divided(EXAMPLES.deepFm, []), undefined);
  assert.equal(divided(EXAMPLES.deepFm, [0, 1, 2, 3]), undefined);
  const firstOrder = EXAMPLES["deepFm with a slot of first order alone"];
  assert.equal(divided(firstOrder, [1]), undefined, "no shared slot has an embedding");
});

Deno.test("no op of a divided graph reads all columns of a row", () => {
  const graph = compileByRanking(exampleModel(EXAMPLES.deepFm), { sumsAreProducts: true }, [1]);
  assert.ok(graph !== undefined);
  const order = topologicalOrder([graph.logits]);
  assert.ok(!order.some((value) => sharedColumnsOf(value) !== undefined));
  assert.ok(order.some(({ op }) => op === "GatherRows"));
});

Deno.test("a session without shared slots refuses shared inputs", async () => {
  const model = exampleModel(EXAMPLES.deepFm);
  const each = { model, sharedSlots: [0], sumsAreProducts: true, rowsOf: [2] };
  for (const provider of ["cpu", "reference"] as const) {
    const session = await createInferenceSession(model, { provider, threads: 1, seed: 1 });
    assert.deepEqual(session.sharedSlots, []);
    await assert.rejects(
      session.predict(batchesOf(each).byRanking),
      /takes no inputs that rows share/,
    );
    await session.close();
  }
});

Deno.test("no form of a serving graph multiplies by a matrix of weights twice", () => {
  const form = { sumsAreProducts: true };
  for (const [name, options] of Object.entries(EXAMPLES)) {
    const model = exampleModel(options);
    const graphs = [compileInference(model, form), compileByRanking(model, form, [0, 3])];
    for (const graph of graphs.filter((each) => each !== undefined)) {
      const matrices = topologicalOrder([graph.logits]).flatMap((value) =>
        value.op === "Linear" || value.op === "MatMul" ? [value.inputs[1]] : []
      );
      const weights = matrices.filter(({ op }) => op === "Parameter" || op === "Input");
      assert.ok(weights.length > 0 || options.kind === "factorizationMachine", name);
      assert.equal(new Set(weights).size, weights.length, name);
    }
  }
});
