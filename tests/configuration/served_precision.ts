/**
 * The configuration of a small model by the precision of its serving tables.
 */
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";

/** @param precision As in the file: fp32, fp16 or int8. */
export function servedIn(precision: string): CairnConfiguration {
  return parseConfiguration(
    `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
model: { kind: factorizationMachine, embeddingDim: 4, tasks: [liked] }
embeddings: { serving: { precision: ${precision} } }
joiner: { tasks: { liked: [{ action: seen, valueAtLeast: 1, label: positive }] } }
trainer: { batchRows: 16 }`,
    "served.yaml",
  );
}
