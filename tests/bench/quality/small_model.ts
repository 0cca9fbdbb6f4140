/**
 * The model of the benchmarks of an audience: users, items and categories, small enough to be
 * trained as fast as visits are simulated.
 */

/**
 * The sections `features`, `model` and `embeddings` of a configuration.
 *
 * @param slots Further slots, a line each.
 */
export function smallModel(task: string, slots: readonly string[] = []): string {
  return `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    category: { kind: categorical, source: item }
    user_category: { kind: cross, of: [user, category] }
${slots.map((slot) => `    ${slot}\n`).join("")}model:
  kind: deepFm
  embeddingDim: 8
  hidden: [16]
  tasks: [${task}]
  optimizer: { kind: adam, learningRate: 0.001 }
embeddings:
  slices:
    first_order:
      optimizer: { kind: adagrad, learningRate: 0.1, initialAccumulator: 1.0e-2 }
    embeddings:
      initializer: { kind: uniform, low: -0.02, high: 0.02 }
      optimizer: { kind: adagrad, learningRate: 0.05, initialAccumulator: 1.0e-3 }
`;
}
