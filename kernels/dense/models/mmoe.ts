/**
 * MMoE: all tasks share experts, and one gate per task mixes their outputs.
 *
 *     f_t = Σ_e softmax(x · gate_w{t} + gate_b{t})_e · expert_e(x),   logit_t = tower_t(f_t)
 *
 * @see Ma et al., "Modeling Task Relationships in Multi-task Learning with Multi-gate
 *   Mixture-of-Experts", KDD 2018
 */
import { staticDim } from "../graph/shape.ts";
import { concatenatedColumns, concatenatedFeatures, linear, mlp } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import type { HiddenNormalization } from "./normalization.ts";
import { type EmbeddingOptions, embeddings } from "./sparse_inputs.ts";

export interface MmoeOptions extends EmbeddingOptions {
  readonly experts: number;
  readonly expertHidden: readonly number[];
  readonly towerHidden: readonly number[];
  readonly dropout?: number;
  readonly normalization?: HiddenNormalization;
}

export const mmoe: ModelDefinition<MmoeOptions> = {
  sparseInputs: (options, sizes) => [embeddings(options, sizes)],

  logits(g, inputs, options, { tasks }) {
    const { experts, expertHidden, towerHidden } = options;
    const { dropout = 0, normalization = "none" } = options;
    const x = concatenatedFeatures(g, inputs);
    const columns = concatenatedColumns(inputs);
    const rows = x.shape[0];
    const outputs = Array.from({ length: experts }, (_, expert) => {
      const prefix = `expert${expert}_`;
      const layers = { prefix, widths: expertHidden, last: "relu", columns } as const;
      const y = mlp(g, x, inputs, { ...layers, dropout, normalization });
      return g.reshape(y, [rows, 1, staticDim(y.shape[1])]);
    });
    const stacked = g.concat(outputs, 1); // [rows, experts, width]

    const logits = Array.from({ length: tasks }, (_, task) => {
      const { name } = inputs.columns.tasks[task];
      // Parameters of gates and towers are numbered, so their axes name the task.
      const gates = [{ name: `gates of ${name}`, size: experts }];
      const gate = g.softmax(
        linear(g, x, {
          weight: `gate_w${task}`,
          bias: `gate_b${task}`,
          width: experts,
          axes: [columns, gates],
        }),
      );
      const weighted = g.multiply(g.reshape(gate, [rows, experts, 1]), stacked);
      const width = staticDim(stacked.shape[2]);
      const mixed = g.reshape(g.reduceSum(weighted, [1]), [rows, width]);
      const tower = {
        prefix: `tower${task}_`,
        widths: [...towerHidden, 1],
        last: "linear",
        columns: [{ name: `mixture for ${name}`, size: width }],
        units: [{ name, size: 1 }],
      } as const;
      return mlp(g, mixed, inputs, { ...tower, dropout, normalization });
    });
    return g.concat(logits, 1);
  },
};
