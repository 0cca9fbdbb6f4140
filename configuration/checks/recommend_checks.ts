/**
 * Checks of recommendations: a model with inner products, and sources that exist.
 */
import type { Finding } from "../problems.ts";
import { attributeTypesOf } from "../scenarios.ts";
import { type Sections, unknownName } from "./check.ts";

/** Kinds of models that multiply the embeddings of different slots. */
const withDotProducts: readonly string[] = ["factorizationMachine", "deepFm", "dlrm"];

/** The source `history` without a kept history. */
function* historySource(
  { historyBy, sources }: NonNullable<Sections["recommend"]>,
  kept: Sections["kept"],
): Iterable<Finding> {
  if (historyBy === undefined && sources.includes("history")) {
    yield {
      path: ["recommend", "sources", sources.indexOf("history")],
      message: "history has no items; name a kept history as recommend.historyBy",
    };
  }
  if (historyBy === undefined || kept === undefined) return;
  const names = Object.entries(kept.features)
    .flatMap(([name, { kind }]) => kind === "history" ? [name] : []);
  if (!names.includes(historyBy)) {
    yield unknownName(["recommend", "historyBy"], historyBy, "kept history", names);
  }
}

/** Recommendations of a model without inner products, or from a source that has no order. */
export function* recommendations(
  { features, attributes, kept, model, recommend }: Sections,
): Iterable<Finding> {
  if (recommend === undefined || !recommend.enabled) return;
  if (model !== undefined && !withDotProducts.includes(model.kind)) {
    yield {
      path: ["recommend", "enabled"],
      message: `the model ${model.kind} has no dot products to find candidates by; choose one of ` +
        `${withDotProducts.join(", ")}, or write enabled: false`,
    };
  }
  const { recentBy, sources } = recommend;
  if (recentBy === undefined && sources.includes("recent")) {
    yield {
      path: ["recommend", "sources", sources.indexOf("recent")],
      message: "recent has no order; name a numeric attribute of items as recommend.recentBy",
    };
  }
  for (const source of ["popular", "trending"] as const) {
    const by = `${source}By` as const;
    const name = recommend[by];
    if (name === undefined && sources.includes(source)) {
      yield {
        path: ["recommend", "sources", sources.indexOf(source)],
        message: `${source} has no order; name a kept feature of items as recommend.${by}`,
      };
    }
    if (name === undefined || kept === undefined) continue;
    const numbers = Object.entries(kept.features)
      .flatMap(([name, each]) => each.kind !== "history" && each.by === "item" ? [name] : []);
    if (!numbers.includes(name)) {
      yield unknownName(["recommend", by], name, "kept feature of items", numbers);
    }
  }
  yield* historySource(recommend, kept);
  if (recentBy === undefined || features === undefined || attributes === undefined) return;
  const nothingKept = { features: {} } as NonNullable<typeof kept>;
  const types = attributeTypesOf({ features, attributes, kept: nothingKept }).item;
  const numbers = Object.keys(types).filter((name) => types[name] === "number");
  if (numbers.includes(recentBy)) return;
  yield unknownName(["recommend", "recentBy"], recentBy, "numeric attribute of items", numbers);
}
