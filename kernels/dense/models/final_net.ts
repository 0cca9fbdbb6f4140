/**
 * FinalNet with one branch: factorized interaction layers (FINAL) in place of a tower's ReLU
 * layers. A layer of width n multiplies two linear maps of its input, so L layers give interactions
 * of degree 2^L:
 *
 *     [a; b]  = x_l · W_l + b_l           both of width n / 2
 *     x_{l+1} = [a; a ∘ b]                normalised if configured
 *     logit   = x_L · out_w + out_b
 *
 * This is the paper's form that concatenates the linear half and its products, with as many weights
 * as a linear layer of the same width.
 *
 * @see Zhu et al., "FINAL: Factorized Interaction Layer for CTR Prediction", SIGIR 2023
 */
import type { DeepTowerOptions } from "./deep_fm.ts";
import { concatenatedColumns, concatenatedFeatures, linear, normalized } from "./layers.ts";
import type { ModelDefinition } from "./model.ts";
import { ModelOptionsError } from "./options.ts";
import { embeddings } from "./sparse_inputs.ts";

export const finalNet: ModelDefinition<DeepTowerOptions> = {
  sparseInputs: (options, sizes) => [embeddings(options, sizes)],

  logits(g, inputs, { hidden, dropout = 0, normalization = "none" }, { tasks }) {
    const x = hidden.reduce((below, width, layer) => {
      if (width % 2 !== 0) {
        throw new ModelOptionsError(
          `finalNet splits each layer in two halves, and layer ${layer} has ${width} units; give it an even number.`,
        );
      }
      const axes = layer === 0 ? [concatenatedColumns(inputs)] : [];
      const weights = { weight: `w${layer}`, bias: `b${layer}`, width, axes };
      const maps = linear(g, below, weights);
      const a = g.slice(maps, 1, 0, width / 2), b = g.slice(maps, 1, width / 2, width);
      const interactions = g.concat([a, g.multiply(a, b)], 1);
      const names = { prefix: "", layer, normalization };
      return inputs.dropout(normalized(g, interactions, inputs, names), dropout);
    }, concatenatedFeatures(g, inputs));
    const axes = [[], inputs.columns.tasks];
    return linear(g, x, { weight: "out_w", bias: "out_b", width: tasks, axes });
  },
};
