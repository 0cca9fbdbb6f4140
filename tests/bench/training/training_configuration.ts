/**
 * The configuration of the training benchmark, for any model: 26 slots, 13 dense values, Adagrad
 * for all weights.
 */
import {
  type CairnConfiguration,
  parseConfiguration,
} from "../../../configuration/configuration.ts";
import { DENSE_WIDTH, SLOTS } from "./zipf_batches.ts";

const TOWER = "hidden: [256, 128]";

/** The sizes of each model, as YAML. */
const SIZES: Readonly<Record<string, string>> = {
  logisticRegression: "",
  factorizationMachine: "embeddingDim: 16, ",
  dlrm: "embeddingDim: 16, bottom: [256, 16], top: [256, 128], ",
  mmoe: "embeddingDim: 16, experts: 4, expertHidden: [128], towerHidden: [64], ",
};

/**
 * @param model A model kind of the configuration, e.g. `deepFm`.
 * @param threads Threads of the dense step.
 */
export function trainingConfiguration(
  model: string,
  batchRows: number,
  threads: number,
): CairnConfiguration {
  const sparse = Array.from(
    { length: SLOTS },
    (_, slot) => `    c${slot}: { kind: categorical, source: item }`,
  );
  const dense = Array.from(
    { length: DENSE_WIDTH },
    (_, value) => `    d${value}: { kind: numeric, source: item, dense: { kind: log } }`,
  );
  const sizes = SIZES[model] ?? `embeddingDim: 16, ${TOWER}, `;
  return parseConfiguration(
    `
features:
  slots:
${[...sparse, ...dense].join("\n")}
model: { kind: ${model}, ${sizes}tasks: [click], optimizer: { kind: adagrad, learningRate: 0.01 } }
embeddings: { bytesMax: 2GiB }
shards: { count: 1 }
placement: { kind: workers, shardThreads: 1 }
trainer:
  batchRows: ${batchRows}
  linger: 50ms
  pipelined: true
  threads: ${threads}
  chunksPerRead: 4
  rowsWaitingMax: ${8 * batchRows}
`,
    "bench.yaml",
  );
}
