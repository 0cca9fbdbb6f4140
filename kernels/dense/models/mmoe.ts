/**
 * MMoE: experts that all tasks share, mixed for each task by a gate of its own.
 *
 *     f_t = Σ_e softmax(x · gate_w{t} + gate_b{t})_e · expert_e(x),   logit_t = tower_t(f_t)
 *
 * @see Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts", KDD 2018
 */
import { staticDim } from "../graph/shape.ts";
import { concatenatedFeatures, linear, mlp } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import type { Normalization } from "./normalization.ts";
import { type EmbeddingOptions, embeddings } from "./sparse_inputs.ts";

export interface MmoeOptions extends EmbeddingOptions {
  readonly experts: number;
  readonly expertHidden: readonly number[];
  readonly towerHidden: readonly number[];
  readonly dropout?: number;
  readonly normalization?: Normalization;
}

export const mmoe: ModelDefinition<MmoeOptions> = {
  sparseInputs: (options, sizes) => [embeddings(options, sizes)],

  logits(g, inputs, options, { tasks }) {
    const { experts, expertHidden, towerHidden } = options;
    const { dropout = 0, normalization = "none" } = options;
    const x = concatenatedFeatures(g, inputs);
    const rows = x.shape[0];
    const outputs = Array.from({ length: experts }, (_, expert) => {
      const prefix = `expert${expert}_`;
      const layers = { widths: expertHidden, last: "relu", dropout, normalization } as const;
      const y = mlp(g, x, inputs, { prefix, ...layers });
      return g.reshape(y, [rows, 1, staticDim(y.shape[1])]);
    });
    const stacked = g.concat(outputs, 1); // [rows, experts, width]

    const logits = Array.from({ length: tasks }, (_, task) => {
      const gate = g.softmax(linear(g, x, `gate_w${task}`, `gate_b${task}`, experts));
      const weighted = g.multiply(g.reshape(gate, [rows, experts, 1]), stacked);
      const mixed = g.reshape(g.reduceSum(weighted, [1]), [rows, staticDim(stacked.shape[2])]);
      const prefix = `tower${task}_`, widths = [...towerHidden, 1];
      return mlp(g, mixed, inputs, { prefix, widths, last: "linear", dropout, normalization });
    });
    return g.concat(logits, 1);
  },
};
