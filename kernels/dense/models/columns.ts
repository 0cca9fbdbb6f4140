/**
 * Names of the columns of a model's inputs and outputs: the axes of the parameters that read and
 * produce them.
 */
import type { Axis } from "../graph/axis.ts";
import type { Model } from "./model.ts";

export interface Columns {
  /** One entry per slot, as wide as its embedding; size 0 = the slot has none. */
  readonly slots: Axis;
  readonly dense: Axis;
  readonly tasks: Axis;
}

export function columnsOf({ sizes, sparseInputs }: Pick<Model, "sizes" | "sparseInputs">): Columns {
  const { denseWidth, tasks, names } = sizes;
  const dims = sparseInputs.find(({ slice }) => slice === "embeddings")?.dims;
  const columns = (kind: string, count: number, known: readonly string[] | undefined): Axis =>
    Array.from({ length: count }, (_, i) => ({ name: `${kind} ${known?.[i] ?? i}`, size: 1 }));
  return {
    slots: Array.from({ length: sizes.slots }, (_, i) => {
      const { name = String(i), number } = names?.slots[i] ?? {};
      return {
        name: `slot ${name}`,
        ...(number === undefined ? {} : { key: `slot number ${number}` }),
        size: dims?.[i] ?? 0,
      };
    }),
    dense: columns("dense", denseWidth, names?.dense),
    tasks: columns("task", tasks, names?.tasks),
  };
}
