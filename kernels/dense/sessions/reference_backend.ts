/**
 * Runs steps in plain TypeScript: no library, the same bits on every machine. Slow; for tests and
 * the simulation.
 */
import { Evaluator } from "../graph/evaluate.ts";
import { type TrainingGraph, trainingNames } from "../training_graph.ts";
import { unpackWeights } from "../weights.ts";
import type { HostArrays, StateVectors, TrainingBackend } from "./training_backend.ts";

export class ReferenceBackend implements TrainingBackend {
  readonly provider = "reference";
  readonly #compiled: TrainingGraph;
  readonly #evaluator: Evaluator;
  #present: StateVectors = {};
  #next: StateVectors = {};

  constructor(compiled: TrainingGraph) {
    this.#compiled = compiled;
    this.#evaluator = new Evaluator(Object.values(compiled.outputs));
  }

  run(rows: number, feeds: HostArrays): Promise<HostArrays> {
    const { outputs, layout, state } = this.#compiled;
    const all: Record<string, Float32Array> = { ...feeds, ...this.#present };
    const { parameters } = unpackWeights(this.#present[trainingNames.weights], layout, 0);
    for (const [name, { data }] of Object.entries(parameters)) all[name] = data;
    const names = Object.keys(outputs);
    // Rounded to float32 as in a checkpoint, so that a resumed run continues with the same bits.
    const results = Object.fromEntries(
      this.#evaluator.evaluate(all, { rows }).map(({ data }, index) =>
        [names[index], new Float32Array(data)] as const
      ),
    );
    this.#next = Object.fromEntries(
      Object.keys(state).map((name) => [name, results[trainingNames.next(name)]]),
    );
    return Promise.resolve(results);
  }

  commit(): void {
    this.#present = this.#next;
  }

  readState(): Promise<StateVectors> {
    return Promise.resolve(structuredClone(this.#present));
  }

  writeState(vectors: Readonly<StateVectors>): Promise<void> {
    this.#present = structuredClone(vectors) as StateVectors;
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
