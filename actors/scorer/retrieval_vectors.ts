/**
 * Vectors whose inner product orders items for a user, made of the embeddings that the model
 * multiplies anyway. A factorization machine's logit, over the slots of the item (I) and all others
 * that are the same for each item (U), is
 *
 *     Σ_I w + Σ_{i<j ∈ I} ⟨v_i, v_j⟩ + ⟨Σ_U v, Σ_I v⟩ + terms without the item
 *
 * so the item's vector is Σ_I v, its bias the first two sums, and the user's vector Σ_U v. Crosses
 * between the item and the request belong to neither.
 *
 * @see Rendle, "Factorization Machines", ICDM 2010
 */
import type { Model } from "../../kernels/dense/models/model.ts";
import type { FeatureSchema, SlotDefinition } from "../../kernels/features/schema.ts";
import { present } from "../../structures/invariant.ts";
import type { PooledRows } from "./forward_pass.ts";
import { itemColumns } from "./row_scores.ts";
import type { Embedded } from "./protocol.ts";

/** The floats of a slot in a row. */
interface Columns {
  readonly begin: number;
  readonly end: number;
}

/** The rows' side of a ranking. */
export type Side = "items" | "users";

export class RetrievalVectors {
  readonly dim: number;
  readonly #embeddings: Readonly<Record<Side, readonly Columns[]>>;
  readonly #weights: Readonly<Record<Side, readonly Columns[]>>;
  readonly #rowFloats: { readonly embeddings: number; readonly weights: number };

  constructor(schema: FeatureSchema, { sparseInputs }: Pick<Model, "sparseInputs">) {
    const dimsOf = (slice: string) =>
      sparseInputs.find((input) => input.slice === slice)?.dims ?? schema.slots.map(() => 0);
    const [embeddings, weights] = [dimsOf("embeddings"), dimsOf("first_order")];
    const slots = { items: itemColumns(schema), users: userColumns(schema) };
    const columnsOf = (dims: readonly number[], side: Side) =>
      slots[side].filter((slot) => dims[slot] > 0).map((slot) => {
        const begin = sum(dims.slice(0, slot));
        return { begin, end: begin + dims[slot] };
      });
    this.dim = Math.max(0, ...embeddings);
    this.#embeddings = {
      items: columnsOf(embeddings, "items"),
      users: columnsOf(embeddings, "users"),
    };
    this.#weights = { items: columnsOf(weights, "items"), users: columnsOf(weights, "users") };
    this.#rowFloats = { embeddings: sum(embeddings), weights: sum(weights) };
  }

  /** The vectors of pooled rows, each followed by its bias. */
  of(
    { rows, sparse }: Pick<PooledRows, "rows" | "sparse">,
    side: Side,
  ): Pick<Embedded, "dim" | "vectors"> {
    const { dim } = this;
    const { embeddings = none, first_order: weights = none } = sparse;
    const vectors = new Float32Array(rows * (dim + 1));
    for (let row = 0; row < rows; row++) {
      const at = row * (dim + 1);
      let squares = 0;
      for (const { begin, end } of this.#embeddings[side]) {
        const from = row * this.#rowFloats.embeddings + begin;
        for (let i = 0; i < end - begin; i++) {
          const value = embeddings[from + i];
          vectors[at + i] += value;
          squares += value * value;
        }
      }
      let squareOfSum = 0;
      for (let i = 0; i < dim; i++) squareOfSum += vectors[at + i] ** 2;
      let bias = (squareOfSum - squares) / 2;
      for (const { begin } of this.#weights[side]) {
        bias += weights[row * this.#rowFloats.weights + begin];
      }
      vectors[at + dim] = bias;
    }
    return { dim, vectors };
  }
}

const none = new Float32Array(0);

/** Columns of the slots that are the same for each item of a request. */
function userColumns(schema: FeatureSchema): number[] {
  const byName = new Map(schema.slots.map((slot) => [slot.name, slot]));
  const ofUser = (slot: SlotDefinition): boolean => {
    switch (slot.kind) {
      case "time":
        return true;
      case "cross":
        return slot.of.every((name) => ofUser(present(byName.get(name), "a cross names slots")));
      default:
        return slot.source !== "item";
    }
  };
  return schema.slots.flatMap((slot, column) => ofUser(slot) ? [column] : []);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
