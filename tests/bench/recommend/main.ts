/**
 * Recommendations among all items of a shop, by brute force.
 *
 *     deno task bench:recommend [--json] [--items 100000,1000000] [--requests 300]
 *
 * A mesh in one thread answers `POST /v1/recommend` in its own process, one request after another,
 * so that the core time of a request is all that it costs: search, features, model, impression and
 * JSON, and the share of the refresh meanwhile. `recallAgainstExact` is the share of the hundred
 * best items by exact float32 inner products that the search finds among its first hundred.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import type { RetrieverMessage } from "../../../actors/retriever/protocol.ts";
import type { ScorerMessage } from "../../../actors/scorer/protocol.ts";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../../kernels/features/extractor.ts";
import { percentile } from "../../../offline/evaluation/samples.ts";
import type { RunningMesh } from "../../../server/compose.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { addresses } from "../../../server/addresses.ts";
import { waitReady } from "../../../server/waits.ts";
import { processorName } from "../embedding/core_time.ts";
import { itemAttributes, learnItems, shopConfiguration, writeProfiles } from "../ranking/shop.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    items: { type: "string", default: "100000,1000000" },
    requests: { type: "string", default: "300" },
  },
});
const requests = Number(options.requests);
const BUDGET = { budgetMs: 60_000 };
const EXACT = 100;
const RECALL_USERS = 20;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

for (const items of options.items.split(",").map(Number)) await measure(items);

async function measure(items: number): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
  try {
    await writeProfiles(directory, items);
    const configuration = shopConfiguration(directory, {
      placement: "{ kind: singleThread }",
      sections: `recommend: { enabled: true, itemsMax: ${items} }`,
    });
    const mesh = await startMesh(configuration, {
      logLevelMin: "warn",
      writeLog: (line) => console.error(line),
      onFatal: (error) => {
        console.error(error);
        Deno.exit(1);
      },
    });
    try {
      await waitReady(mesh);
      await learnItems(mesh, items);
      await waitEmbedded(mesh, items);
      for (let i = 0; i < 30; i++) await recommend(mesh, i);
      const recallAgainstExact = await recall(mesh, items);
      const latenciesMs: number[] = [];
      const before = process.cpuUsage();
      const beganAtMs = performance.now();
      for (let i = 0; i < requests; i++) {
        const atMs = performance.now();
        await recommend(mesh, i);
        latenciesMs.push(performance.now() - atMs);
      }
      const seconds = (performance.now() - beganAtMs) / 1_000;
      const { user, system } = process.cpuUsage(before);
      latenciesMs.sort((a, b) => a - b);
      const ms = (share: number) =>
        Number(percentile(Float64Array.from(latenciesMs), share).toFixed(2));
      const line = {
        bench: "recommend",
        items,
        processor: processorName(),
        p50Ms: ms(0.5),
        p99Ms: ms(0.99),
        requestsPerSecond: Math.round(requests / seconds),
        recallAgainstExact,
        coreMicros: Math.round((user + system) / requests),
      };
      console.log(
        options.json
          ? JSON.stringify(line)
          : `${items} items: p50 ${line.p50Ms} ms, p99 ${line.p99Ms} ms, ` +
            `${line.requestsPerSecond} requests/s, ${line.coreMicros} us of core time, ` +
            `recall ${recallAgainstExact}`,
      );
    } finally {
      await mesh.stop();
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function recommend(mesh: RunningMesh, user: number): Promise<void> {
  const response = await mesh.fetch(
    new Request("http://cairn/v1/recommend", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user: `u${user}`, context: { device: "phone" }, limit: 20 }),
    }),
  );
  const answer = await response.json();
  if (response.status !== 200 || answer.items.length !== 20) {
    throw new Error(`The answer is wrong: ${JSON.stringify(answer).slice(0, 500)}`);
  }
}

/** Waits until every item has a vector of the learned rows. */
async function waitEmbedded(mesh: RunningMesh, items: number): Promise<void> {
  const retriever = mesh.mesh.actorRef<RetrieverMessage>(addresses.retriever());
  // The items were embedded before they had rows; an item that is sent again is embedded at once.
  for (let from = 0; from < items; from += 5_000) {
    const count = Math.min(5_000, items - from);
    await retriever.ask({
      kind: "putItems",
      items: Array.from(
        { length: count },
        (_, i) => ({ id: `i${from + i}`, attributes: itemAttributes(from + i) }),
      ),
    }, BUDGET);
  }
  for (;;) {
    const { embedded, waiting } = await retriever.ask({ kind: "getState" }, BUDGET);
    if (embedded === items && waiting === 0) return;
    await pause(100);
  }
}

async function recall(mesh: RunningMesh, items: number): Promise<number> {
  const { schema } = mesh.configuration.features;
  const extractor = new FeatureExtractor(schema, FeatureHasher.create());
  const scorer = mesh.mesh.actorRef<ScorerMessage>(addresses.scorer());
  const retriever = mesh.mesh.actorRef<RetrieverMessage>(addresses.retriever());
  const featuresOf = (user: string, ids: readonly number[]) =>
    extractor.extract({
      user,
      userAttributes: {},
      context: { device: "phone" },
      atMs: 0,
      items: ids.map((item) => ({ id: `i${item}`, fields: itemAttributes(item) })),
    });
  const vectors: Float32Array[] = [];
  let width = 0;
  for (let from = 0; from < items; from += 5_000) {
    const ids = Array.from({ length: Math.min(5_000, items - from) }, (_, i) => from + i);
    const features = featuresOf("", ids);
    const embedded = await scorer.ask({ kind: "embed", features, of: "items" }, BUDGET);
    width = embedded.dim + 1;
    vectors.push(embedded.vectors);
  }
  let found = 0;
  for (let user = 0; user < RECALL_USERS; user++) {
    const features = featuresOf(`u${user}`, [0]);
    const { vectors: query } = await scorer.ask({ kind: "embed", features, of: "users" }, BUDGET);
    const scores = new Float64Array(items);
    let item = 0;
    for (const chunk of vectors) {
      for (let at = 0; at < chunk.length; at += width) {
        let score = chunk[at + width - 1];
        for (let i = 0; i < width - 1; i++) score += query[i] * chunk[at + i];
        scores[item++] = score;
      }
    }
    const worst = scores.toSorted()[items - EXACT];
    const { items: nearest } = await retriever.ask({
      kind: "retrieve",
      features,
      sources: ["model"],
      count: EXACT,
      filter: [],
      scope: { user: {}, context: {}, nowMs: 0 },
    }, BUDGET);
    found += nearest.filter(({ id }) => scores[Number(id.slice(1))] >= worst).length;
  }
  return Number((found / (RECALL_USERS * EXACT)).toFixed(3));
}
