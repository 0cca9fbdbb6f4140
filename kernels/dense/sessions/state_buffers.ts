/**
 * Double buffer of weights and optimizer state: a step reads the present state and writes the next
 * state into the other buffer, so no kernel sees half-updated weights, and a step without a commit
 * needs no undo.
 */
import { invariant, present } from "../../../structures/invariant.ts";
import { BLOCK_WIDTH } from "../weight_layout.ts";
import type { TrainingGraph } from "../training_graph.ts";
import type { StateVectors } from "./training_backend.ts";

export class StateBuffers {
  #present: StateVectors;
  #next: StateVectors;

  /** @param allocate Allocates a zeroed matrix of that many floats. */
  constructor(
    { state, layout }: TrainingGraph,
    allocate: (length: number) => Float32Array<ArrayBuffer>,
  ) {
    const size = layout.blocks * BLOCK_WIDTH;
    const empty = (): StateVectors =>
      Object.fromEntries(Object.keys(state).map((name) => [name, allocate(size)]));
    this.#present = empty();
    this.#next = empty();
  }

  get present(): StateVectors {
    return this.#present;
  }

  get next(): StateVectors {
    return this.#next;
  }

  /** Makes the next state the present one. */
  commit(): void {
    [this.#present, this.#next] = [this.#next, this.#present];
  }

  /** A copy of the present state. */
  read(): StateVectors {
    return structuredClone(this.#present);
  }

  /** Copies matrices into the present state. */
  write(vectors: Readonly<StateVectors>): void {
    for (const [name, vector] of Object.entries(vectors)) {
      const matrix = present(this.#present[name], "a written matrix is part of the state");
      invariant(matrix.length === vector.length, "a written matrix has the size of the weights");
      matrix.set(vector);
    }
  }

  /** Takes `vector`, not a copy of it, as a matrix of the present state. */
  replace(name: string, vector: Float32Array<ArrayBuffer>): void {
    const { length } = present(this.#present[name], "a replaced matrix is part of the state");
    invariant(length === vector.length, "a matrix that replaces another has its size");
    this.#present[name] = vector;
  }

  /** Calls `free` with every matrix. */
  free(free: (vector: Float32Array<ArrayBuffer>) => void): void {
    for (const vectors of [this.#present, this.#next]) {
      for (const vector of Object.values(vectors)) free(vector);
    }
  }
}
