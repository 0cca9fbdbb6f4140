/**
 * DCN-v2, parallel form: layers of explicit feature crosses and a deep tower, joined by one linear
 * layer.
 *
 *     x_{l+1} = x_0 ∘ (x_l · W_l + b_l) + x_l
 *     logit   = [x_L; MLP(x_0)] · out_w + out_b
 *
 * @see Wang et al., "DCN V2: Improved Deep & Cross Network", WWW 2021
 */
import { staticDim } from "../graph/shape.ts";
import { concatenatedColumns, concatenatedFeatures, linear, mlp } from "./layers.ts";
import type { DeepTowerOptions } from "./deep_fm.ts";
import type { ModelDefinition } from "./model.ts";
import { embeddings } from "./sparse_inputs.ts";

export const dcnV2: ModelDefinition<DeepTowerOptions & { readonly crossLayers: number }> = {
  sparseInputs: (options, sizes) => [embeddings(options, sizes)],

  logits(g, inputs, { crossLayers, hidden, dropout = 0, normalization = "none" }, { tasks }) {
    const x0 = concatenatedFeatures(g, inputs);
    const columns = concatenatedColumns(inputs);
    const width = staticDim(x0.shape[1]);
    let x = x0;
    for (let layer = 0; layer < crossLayers; layer++) {
      const crossed = linear(g, x, {
        weight: `cross_w${layer}`,
        bias: `cross_b${layer}`,
        width,
        axes: [columns, columns],
      });
      x = g.add(g.multiply(x0, crossed), x);
    }
    const tower = { prefix: "", widths: hidden, last: "relu", columns } as const;
    const deep = mlp(g, x0, inputs, { ...tower, dropout, normalization });
    const joined = [...columns, { name: "hidden", size: staticDim(deep.shape[1]) }];
    const axes = [joined, inputs.columns.tasks];
    return linear(g, g.concat([x, deep], 1), {
      weight: "out_w",
      bias: "out_b",
      width: tasks,
      axes,
    });
  },
};
