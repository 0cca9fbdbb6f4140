/**
 * The measurement of `deno task shop`: an import, and the same visits on two servers.
 */
import { runImport } from "../../cli/import/import.ts";
import type { ImportFlags } from "../../cli/import/command.ts";
import { loadConfiguration } from "../../cli/load_configuration.ts";
import { Progress, stderrTarget } from "../../cli/progress.ts";
import { exactAuc } from "../../offline/evaluation/auc.ts";
import { percentile } from "../../offline/evaluation/samples.ts";
import { formatOf, openFileRows } from "../../offline/import/file_rows.ts";
import { History } from "../../offline/import/history.ts";
import { proposeMapping } from "../../offline/import/mapping.ts";
import { readHistory } from "../../offline/import/read_history.ts";
import { withServer } from "../../server/machine/with_server.ts";
import type { ShopMeasurements, ShopNews, ShopOrder } from "./shop_client.ts";
import { type ShopVisit, shopVisits } from "./shop_visits.ts";

export interface ShopOptions {
  /** The table of order lines. */
  readonly path: string;
  readonly config: string;
  readonly set: readonly string[];
  /** Visits to replay, the earliest. */
  readonly visitsMax: number;
  /** Takes lines about the progress. */
  tell(line: string): void;
}

export interface ShopFigures {
  /** Order lines that were imported, and those that could not be used. */
  readonly imported: number;
  readonly refused: number;
  /** Duration of the import, from reading the file to the snapshot. */
  readonly seconds: number;
  /** AUC over all candidates of all visits. */
  readonly servedAucCold: number;
  readonly servedAucWarm: number;
  /** AUC of a server with the same import that keeps no features. */
  readonly servedAucNoHistory: number;
  /** Share of an order's items that are among 20 recommended ones, on the warm server. */
  readonly recallAt20: number;
  /** The same share for the 20 items of most order lines in the 30 days before. */
  readonly recallAt20Popular: number;
  /** Share of the recommended items that were sold in the 30 days before, on the warm server. */
  readonly recommendedSoldLately: number;
  /** Time of a ranking over HTTP on the warm server. */
  readonly rankP99Ms: number;
  /** Time of 20 recommendations over HTTP on the warm server. */
  readonly recommendP99Ms: number;
  readonly visits: number;
}

/** Share of the order lines that is imported. */
const IMPORTED = 2 / 3;

/** The meaning of the table's columns that their names do not tell. */
const columns = {
  targets: new Map([["UnitPrice", "item.price"], ["Description", "item.words"]]),
  separators: new Map([["Description", " "]]),
};

/** Changes of the configuration after which the server keeps no features. */
const withoutHistory: readonly string[] = ["kept.features={}", "recommend={ enabled: false }"];

export async function measureShop(options: ShopOptions): Promise<ShopFigures> {
  const { path, config, set, visitsMax, tell } = options;
  const history = await readOrders(options);
  const order = history.eventsByTime();
  const cutMs = history.timeOf(order[Math.floor(IMPORTED * order.length)]);
  const visits = [...firstOf(shopVisits(history, cutMs), visitsMax)];
  const folder = await Deno.makeTempDir({ prefix: "cairn-shop-" });
  try {
    const flagsOf = (name: string, changes: readonly string[]): ImportFlags => ({
      config,
      set: [...set, ...changes, `storage={ kind: directory, path: ${folder}/${name} }`],
      events: path,
      action: "purchase",
      map: [...columns.targets].map(([column, target]) => `${column}=${target}`),
      split: [...columns.separators].map(([column, text]) => `${column}=${text}`),
      until: new Date(cutMs).toISOString(),
      seen: 50,
    });
    const importInto = (name: string, changes: readonly string[] = []) =>
      runImport(flagsOf(name, changes), { out: () => {}, err: tell });
    const { imported, refused, seconds } = await importInto("warm");
    await importInto("plain", withoutHistory);
    const soldMs = lastSales(history, order, cutMs);
    // All servers know the catalogue: it is the model that one of them lacks.
    const cold = await replay(visits, { ...options, soldMs }, `${folder}/cold`);
    const warm = await replay(visits, { ...options, soldMs, recommends: true }, `${folder}/warm`);
    const plain = await replay(
      visits,
      { ...options, soldMs, set: [...set, ...withoutHistory] },
      `${folder}/plain`,
    );
    const { recalls, popularRecalls, soldLately, recommendMs } = warm;
    return {
      imported,
      refused,
      seconds,
      servedAucCold: rounded(exactAuc(cold.scores, cold.labels)),
      servedAucWarm: rounded(exactAuc(warm.scores, warm.labels)),
      servedAucNoHistory: rounded(exactAuc(plain.scores, plain.labels)),
      recallAt20: rounded(mean(recalls)),
      recallAt20Popular: rounded(mean(popularRecalls)),
      recommendedSoldLately: rounded(mean(soldLately)),
      rankP99Ms: tenths(percentile(warm.rankMs.toSorted(), 0.99)),
      recommendP99Ms: tenths(percentile(recommendMs.toSorted(), 0.99)),
      visits: visits.length,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function readOrders({ path, config, set }: ShopOptions): Promise<History> {
  const { features: { schema }, gateway } = await loadConfiguration(config, { assignments: set });
  const rows = await openFileRows(path, formatOf(path));
  const history = new History();
  await readHistory(history, rows.rows(), {
    content: "events",
    mapping: proposeMapping({
      file: path,
      content: "events",
      columns: rows.columns,
      schema,
      declared: gateway.attributeTypes,
      typed: columns,
    }),
    action: "purchase",
    times: {},
    latestMs: Date.now(),
    untilMs: Infinity,
    valueRanges: gateway.valueBounds,
    refuse: () => {},
  });
  return history;
}

/** Time of the newest sale before `untilMs` by item, ms. */
function lastSales(history: History, order: Uint32Array, untilMs: number): Map<string, number> {
  const soldMs = new Map<string, number>();
  for (const index of order) {
    const { item, value, atMs } = history.event(index);
    if (atMs >= untilMs) break;
    if (value >= 1) soldMs.set(item, atMs);
  }
  return soldMs;
}

interface Replay extends ShopOptions, Pick<ShopOrder, "soldMs"> {
  readonly recommends?: boolean;
}

async function replay(
  visits: readonly ShopVisit[],
  { config, set, soldMs, recommends = false }: Replay,
  folder: string,
): Promise<ShopMeasurements> {
  const assignments = [
    ...set,
    "gateway.port=0",
    "gateway.host=127.0.0.1",
    `storage={ kind: directory, path: ${folder} }`,
  ];
  const configuration = await loadConfiguration(config, { assignments });
  const [apiKey] = configuration.gateway.apiKeys;
  return await withServer(
    configuration,
    { writeLog: (line) => Deno.stderr.writeSync(new TextEncoder().encode(line)) },
    ({ url }) =>
      runClient({ url, visits, soldMs, recommends, ...(apiKey !== undefined && { apiKey }) }),
  );
}

async function runClient(order: ShopOrder): Promise<ShopMeasurements> {
  const worker = new Worker(new URL("./shop_client.ts", import.meta.url), { type: "module" });
  const progress = new Progress("visits", order.visits.length, stderrTarget());
  try {
    return await new Promise<ShopMeasurements>((resolve, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(`The client's thread failed: ${event.message}`));
      };
      worker.onmessage = ({ data: news }: MessageEvent<ShopNews>) => {
        switch (news.kind) {
          case "visits":
            return progress.update(news.done);
          case "finished":
            progress.finish();
            return resolve(news.measured);
          case "failed":
            return reject(new Error(news.message));
          default:
            news satisfies never;
        }
      };
      worker.postMessage(order);
    });
  } finally {
    worker.terminate();
  }
}

function* firstOf<T>(all: Iterable<T>, max: number): Generator<T> {
  let given = 0;
  for (const each of all) {
    if (given++ >= max) return;
    yield each;
  }
}

function mean(numbers: Float64Array): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function tenths(ms: number): number {
  return Math.round(10 * ms) / 10;
}

function rounded(share: number): number {
  return Math.round(1e4 * share) / 1e4;
}
