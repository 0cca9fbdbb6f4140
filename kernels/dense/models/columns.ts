/**
 * What the columns of a model's inputs and outputs are of, for the axes of the parameters that read and make them.
 */
import type { Axis } from "../graph/axis.ts";
import type { Model } from "./model.ts";

export interface Columns {
  /** The slots' embeddings, 0 places where a slot has none. */
  readonly slots: Axis;
  readonly dense: Axis;
  readonly tasks: Axis;
}

export function columnsOf({ sizes, sparseInputs }: Pick<Model, "sizes" | "sparseInputs">): Columns {
  const { denseWidth, tasks, names } = sizes;
  const dims = sparseInputs.find(({ slice }) => slice === "embeddings")?.dims;
  const columns = (kind: string, count: number, known: readonly string[] | undefined): Axis =>
    Array.from({ length: count }, (_, i) => ({ name: `${kind} ${known?.[i] ?? i}`, places: 1 }));
  return {
    slots: Array.from({ length: sizes.slots }, (_, i) => {
      const { name = String(i), number } = names?.slots[i] ?? {};
      return {
        name: `slot ${name}`,
        ...(number === undefined ? {} : { key: `slot number ${number}` }),
        places: dims?.[i] ?? 0,
      };
    }),
    dense: columns("dense", denseWidth, names?.dense),
    tasks: columns("task", tasks, names?.tasks),
  };
}
