/**
 * A score is a function of the shards' rows and of the dense weights that the answer names.
 *
 *     ∀ scorer incarnation:        versions of its dense weights fall once at most: from those of
 *                                  a snapshot to the first ones of parameter sync
 *     at the end, ∀ sampled request:
 *         predictions = model(pool(rows of the shards), weights of the named version), to rounding
 *
 * The reference is a session of its own and asks the shards themselves. It evaluates whole rows,
 * one request at a time, while the scorer may compute shared slots once a ranking and answers the
 * requests in common passes; the sums of both differ by rounding in float64. At the end windows
 * still close and rows still expire, on the shard first and on the replica a moment later, so that
 * two questions may see different rows. Each request is compared until it agrees once: a skew
 * differs in every comparison.
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type {
  LoadDenseWeights,
  Score,
  ScorerMessage,
  Scores,
} from "../../actors/scorer/protocol.ts";
import { prediction } from "../../kernels/dense/inference_session.ts";
import type { TaskOptions } from "../../kernels/dense/models/options.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import { ShardFanOut } from "../../kernels/embedding/shard_fan_out.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import { addresses } from "../../server/addresses.ts";
import { referenceSessions } from "../../server/reference_sessions.ts";
import { invariant } from "../../structures/invariant.ts";
import { messageCopy } from "../world/message_copy.ts";
import { asServed } from "./as_served.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Serving } from "./serving.ts";

const BUDGET = { budgetMs: 10_000 };
/** Requests per sample; the newest samples are asked again. */
const SAMPLE = 16;
const SAMPLES_MAX = 8;
/** The longest window and late label of the scenarios pass within this long, ms. */
const AGREE_MS_MAX = 20_000;
const PAUSE_MS = 500;
/** Largest distance of two neighbouring floats, as a share of their magnitude. */
const FLOAT_STEP = 2 ** -23;
/** More than sums in float64 differ by where terms cancel out. */
const ROUNDING = 1e-12;

/** @param running The serving processes at the end of the run. */
export function reproducedScores(running: () => readonly Serving[]): CheckerFactory {
  return (context) => {
    const versions = new Map<string, number>();
    /** Scorers with weights of parameter sync; true = the version has not fallen since. */
    const mayFall = new Map<string, boolean>();
    /** By scorer, the newest weights that it was given. */
    const weights = new Map<string, DenseWeights>();
    const sampled: FeatureBatch[] = [];
    let requests = 0;
    return {
      name: "reproduced-scores",
      began(actor) {
        versions.delete(actor);
        mayFall.delete(actor);
        weights.delete(actor);
      },
      handles(actor, message) {
        if (!actor.startsWith("scorer/")) return;
        if (message.kind === "loadDenseWeights") {
          if (!mayFall.has(actor)) mayFall.set(actor, true);
          const loaded = (message as LoadDenseWeights).weights;
          if (loaded.version >= (weights.get(actor)?.version ?? 0)) {
            weights.set(actor, messageCopy(loaded));
          }
        }
        if (message.kind !== "score" || requests++ % SAMPLE !== 0) return;
        sampled.push(messageCopy((message as Score).features));
        if (sampled.length > SAMPLES_MAX) sampled.shift();
      },
      answers(actor, request, value) {
        if (!actor.startsWith("scorer/") || request.kind !== "score") return;
        const { modelVersion } = value as Scores;
        const before = versions.get(actor) ?? 0;
        if (modelVersion < before) {
          if (mayFall.get(actor) !== true) {
            context.fail(`${actor} scored by version ${modelVersion} after version ${before}`);
          }
          mayFall.set(actor, false);
        }
        versions.set(actor, modelVersion);
      },
      async atEnd() {
        for (const serving of running()) {
          const newest = () => weights.get(addresses.scorer(serving.host));
          const difference = await lastingDifference(serving, sampled, newest);
          if (difference !== undefined) return context.fail(difference);
        }
      },
    };
  };
}

/** A difference that a request still has when its time to agree is over. */
async function lastingDifference(
  serving: Serving,
  requests: readonly FeatureBatch[],
  newest: () => DenseWeights | undefined,
): Promise<string | undefined> {
  const { clock } = serving.mesh.mesh.home;
  const endsMs = clock.monotonicMs() + AGREE_MS_MAX;
  const all = [...requests];
  let open = all;
  for (;;) {
    // All of them, so that each shares its pass with the same others again.
    const scores = await scoresOf(serving, all, newest);
    const differing: FeatureBatch[] = [];
    let difference: string | undefined;
    for (const features of open) {
      const scored = scores[all.indexOf(features)];
      const found = await differenceOf(serving, features, scored, newest());
      if (found === undefined) continue;
      differing.push(features);
      difference ??= found;
    }
    if (difference === undefined || clock.monotonicMs() >= endsMs) return difference;
    await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
    open = differing;
  }
}

/** The scores of all requests, which come to the scorer at once and share passes. */
async function scoresOf(
  { mesh: { mesh }, host }: Serving,
  requests: readonly FeatureBatch[],
  newest: () => DenseWeights | undefined,
): Promise<Scores[]> {
  const scorer = mesh.actorRef<ScorerMessage>(addresses.scorer(host));
  const scored = () =>
    Promise.all(
      requests.map((features) =>
        scorer.ask({ kind: "score", features: messageCopy(features) }, BUDGET)
      ),
    );
  const scores = await scored();
  // The last weights may arrive between an answer and the look at them.
  const isOld = scores.some(({ modelVersion }) => modelVersion !== newest()?.version);
  return isOld ? await scored() : scores;
}

async function differenceOf(
  { mesh }: Serving,
  features: FeatureBatch,
  scored: Scores,
  weights: DenseWeights | undefined,
): Promise<string | undefined> {
  const { configuration } = mesh;
  if (weights === undefined) return undefined;
  if (scored.modelVersion !== weights.version) {
    return `a score names version ${scored.modelVersion}; version ${weights.version} was loaded last`;
  }
  const session = await referenceSessions(configuration).openInference();
  session.load(weights);
  const { layout, schema } = configuration.scorer;
  const { shardCount, sharding } = configuration;
  const grouped = BatchKernel.create(layout.classes).unique(features.ids, shardCount);
  const rows = await new ShardFanOut(shardCount, layout.classes.length).ask(
    grouped.groupStarts,
    async ({ shard, from, to, starts }) => {
      const address = addresses.embeddingShard(shard, sharding);
      const owner = mesh.mesh.actorRef<EmbeddingShardMessage>(address);
      const ids = grouped.uniqueIds.slice(from, to);
      const lookup = { kind: "lookup", ids, starts, missing: "zeros" } as const;
      const { rows } = await owner.ask(lookup, BUDGET);
      const served = asServed({ ids, starts }, rows, configuration.servingReplica);
      invariant(served instanceof Float32Array, "lookups answer with floats");
      return served;
    },
  );
  const { sparseInputs, historyInputs, tasks } = session.model;
  const inputs = new ModelInputs({
    layout,
    sparseInputs,
    historyInputs,
    combiners: schema.slots.map(({ pooling }) => pooling),
  });
  const outputs = await session.predict({
    rows: features.rows,
    ...inputs.pool(rows, grouped, features),
    dense: features.dense,
  });
  const differs = scored.predictions.findIndex((value, i) =>
    !isPredictionOf(tasks[i % tasks.length], outputs[i], value)
  );
  if (differs < 0) return undefined;
  return `a prediction is ${scored.predictions[differs]}, and ${
    outputs[differs]
  } is the reference's ` +
    "raw output";
}

/** Whether a prediction is that of a raw output, or of a neighbour of it among floats. */
function isPredictionOf(task: TaskOptions, output: number, value: number): boolean {
  const step = Math.max(Math.abs(output) * FLOAT_STEP, ROUNDING);
  const [low, high] = [output - step, output + step].map((each) =>
    Math.fround(prediction(task, each))
  );
  return value >= low && value <= high;
}
