/**
 * Values of the configuration that a swarm draws: small tables, small batches and short windows
 * take a run through paths that a production configuration reaches once a month.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";

/** Values by the path of their key. */
export type Values = Readonly<Record<string, unknown>>;

/** One key and the values that it may take. */
export interface Knob {
  readonly path: string;
  readonly values: readonly unknown[];
  /** Further values that are set wherever a value of the knob is, by path. */
  readonly needs?: Values;
}

/** Values with which the shop recommends items: every source, and a model with dot products. */
export const recommending = {
  recommend: {
    enabled: true,
    itemsMax: 1_000,
    sources: ["model", "recent", "popular", "history"],
    recentBy: "price",
    popularBy: "clicks_minute",
    historyBy: "recent",
  },
  model: { kind: "factorizationMachine", embeddingDim: 4, tasks: ["bought"] },
} satisfies Values;

/** The knobs of a swarm. */
export const swarmKnobs: readonly Knob[] = [
  { path: "shards.count", values: [1, 2, 3, 4] },
  { path: "trainer.count", values: [1, 1, 2, 3] },
  { path: "joiner.partitions", values: [1, 1, 2, 3] },
  { path: "trainer.batchRows", values: [1, 2, 8, 32] },
  { path: "trainer.linger", values: ["0ms", "5ms", "20ms", "200ms"] },
  { path: "trainer.pipelined", values: [false, true] },
  { path: "trainer.chunksPerRead", values: [1, 2, 64] },
  { path: "trainer.averageInterval", values: ["50ms", "1s"] },
  { path: "trainer.shardBudget", values: ["50ms", "500ms", "5s"] },
  {
    path: "placement",
    values: [
      { kind: "singleThread" },
      { kind: "workers", shardThreads: 1 },
    ],
  },
  { path: "ranker.scenario", values: [undefined, "fresh"] },
  { path: "gateway.eventsRememberedMax", values: [undefined, undefined, 8] },
  { path: "joiner.window", values: ["1s", "3s", "8s"] },
  { path: "joiner.negativeSampling.rate", values: [undefined, undefined, 0.5] },
  { path: "joiner.recordsPerTurn", values: [1, 4, 256] },
  { path: "sync.rowsInterval", values: ["10ms", "100ms", "300ms"] },
  { path: "sync.rowsMax", values: [4, 64, 8192] },
  { path: "sync.deltasPerRoundMax", values: [1, 16] },
  { path: "sync.budget", values: ["100ms", "5s"] },
  { path: "storage.snapshots.interval", values: ["1s", "3s", "10s"] },
  { path: "storage.snapshots.spread", values: ["0ms", "1s"] },
  { path: "storage.snapshots.chunkRows", values: [1, 8, 8192] },
  { path: "storage.snapshots.increments", values: [0, 2, 5, 32] },
  { path: "storage.snapshots.incrementsShare", values: [0.5, 4] },
  {
    path: "embeddings.admission",
    values: [undefined, undefined, { kind: "threshold", threshold: 2 }],
  },
  { path: "embeddings.expiry", values: [undefined, undefined, "4s"] },
  { path: "embeddings.awaitedBytesMax", values: ["0B", undefined] },
  { path: "embeddings.evictionInterval", values: ["100ms", "1s"] },
  {
    path: "recommend",
    values: [undefined, undefined, recommending.recommend],
    needs: { model: recommending.model },
  },
];

/** One value of each knob. A knob whose value is undefined is left as it is. */
export function drawKnobs(stream: RandomStream, knobs: readonly Knob[]): Values {
  const values: Record<string, unknown> = {};
  for (const { path, values: choices, needs } of knobs) {
    const value = choices[Math.floor(stream.nextFloat() * choices.length)];
    if (value !== undefined) Object.assign(values, { [path]: value }, needs);
  }
  return values;
}
