/**
 * Checks of overrides in `embeddings`: slots and slices must exist.
 */
import type { ConfigurationPath, Finding } from "../problems.ts";
import { sharesIds } from "../feature_schema.ts";
import type { CairnFile } from "../schema.ts";
import { slicesOf } from "../slices.ts";
import { type Sections, unknownName } from "./check.ts";

type EmbeddingOverrides = CairnFile["embeddings"]["slices"];

/** Overrides of unknown slots and slices, and empty ranges of initializers. */
export function* embeddingNames({ features, model, embeddings }: Sections): Iterable<Finding> {
  if (embeddings === undefined) return;
  const slices = model === undefined ? undefined : slicesOf(model).map(({ name }) => name);
  const sliceMaps: [ConfigurationPath, EmbeddingOverrides][] = [
    [["embeddings", "slices"], embeddings.slices],
    ...Object.entries(embeddings.slots).map(([name, slot]) =>
      [["embeddings", "slots", name, "slices"], slot.slices] as [
        ConfigurationPath,
        EmbeddingOverrides,
      ]
    ),
  ];
  for (const [path, overrides] of sliceMaps) {
    for (const [name, { initializer }] of Object.entries(overrides)) {
      if (slices !== undefined && !slices.includes(name)) {
        yield {
          ...unknownName([...path, name], name, "slice of the model", slices),
          atKey: true,
        };
      }
      if (initializer?.kind === "uniform" && initializer.low >= initializer.high) {
        yield {
          path: [...path, name, "initializer"],
          message: `found low ${initializer.low} and high ${initializer.high}, expected low < high`,
        };
      }
    }
  }
  for (const name of Object.keys(embeddings.slots)) {
    if (features !== undefined && !Object.hasOwn(features.slots, name)) {
      const finding = unknownName(
        ["embeddings", "slots", name],
        name,
        "slot",
        Object.keys(features.slots),
      );
      yield { ...finding, atKey: true };
    } else if (features !== undefined && sharesIds(features.slots[name])) {
      yield {
        path: ["embeddings", "slots", name],
        message: `it shares the rows of "${features.slots[name].idsOf}"; set this there`,
        atKey: true,
      };
    }
  }
}
