/**
 * Values of the configuration that a swarm draws: small tables, small batches and short windows
 * take a run through paths that a production configuration reaches once a month.
 */
import type { RandomStream } from "../../mesh/ports/random.ts";
import { servingKnobs } from "./serving_knobs.ts";

/** Values by the path of their key. */
export type Values = Readonly<Record<string, unknown>>;

/** One key and the values that it may take; undefined leaves it as it is. */
export interface KeyKnob {
  readonly path: string;
  readonly values: readonly unknown[];
}

/** Sets of values, one of which is drawn; undefined leaves all as they are. */
export interface SetKnob {
  readonly sets: readonly (Values | undefined)[];
}

/** A draw of one or several values. */
export type Knob = KeyKnob | SetKnob;

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

/** Values with which the shop predicts what purchases are worth; some are too large to learn. */
export const paying = {
  model: {
    kind: "logisticRegression",
    tasks: ["bought", "paid"],
    taskLosses: { paid: "squaredError" },
  },
  "joiner.tasks.paid": [{ action: "purchase", label: "value" }],
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
  { sets: [undefined, undefined, recommending] },
  ...servingKnobs,
  { sets: [undefined, undefined, undefined, paying] },
];

/**
 * One draw of each knob, and the values of the scenario. A set with a key of the scenario or of an
 * earlier draw is left out.
 */
export function drawKnobs(
  stream: RandomStream,
  knobs: readonly Knob[],
  ofScenario: Values = {},
): Values {
  const values: Record<string, unknown> = { ...ofScenario };
  for (const knob of knobs) {
    const sets = "sets" in knob ? knob.sets : knob.values.map((value) => {
      return value === undefined ? undefined : { [knob.path]: value };
    });
    const drawn = sets[Math.floor(stream.nextFloat() * sets.length)] ?? {};
    if (Object.keys(drawn).some((path) => path in values)) continue;
    Object.assign(values, drawn);
  }
  return values;
}
