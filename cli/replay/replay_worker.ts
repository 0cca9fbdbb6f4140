/**
 * The replay's client in its own thread, so that measuring takes no time from the server's thread.
 * It reads the dataset itself; only figures cross between the threads.
 */
import { openNamedDataset, typedOverrides } from "../dataset_options.ts";
import type { ReplayFlags } from "./command.ts";
import { readInteractions } from "../../offline/datasets/interaction_table.ts";
import { describeError } from "../errors.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { GatewayClient } from "../load/gateway_client.ts";
import {
  replayInteractions,
  type ReplayMeasurements,
  sendAttributesOfRows,
  sendProfiles,
} from "./replay_client.ts";

/** The one message to the client's thread. */
export interface ReplayOrder {
  readonly flags: ReplayFlags;
  readonly url: string;
}

/** A message from the client's thread. */
export type ReplayNews =
  | { readonly kind: "profiles"; readonly done: number; readonly total: number }
  | { readonly kind: "pairs"; readonly done: number; readonly total: number }
  | { readonly kind: "finished"; readonly measurements: ReplayMeasurements }
  | { readonly kind: "failed"; readonly message: string };

const READY_MAX_MS = 30_000;
const DRAIN_MAX_MS = 15_000;
/** Shortest time between two messages about progress, ms. */
const NEWS_EVERY_MS = 50;

declare const self: {
  onmessage: ((event: MessageEvent<ReplayOrder>) => void) | null;
  postMessage(news: ReplayNews, transfer?: Transferable[]): void;
};

self.onmessage = async ({ data: order }) => {
  try {
    const measurements = await run(order);
    const { scores, labels, rankMs, freshnessMs } = measurements;
    self.postMessage({ kind: "finished", measurements }, [
      scores.buffer,
      labels.buffer,
      rankMs.buffer,
      freshnessMs.buffer,
    ]);
  } catch (error) {
    self.postMessage({ kind: "failed", message: describeError(error, false) });
  }
};

async function run({ flags, url }: ReplayOrder): Promise<ReplayMeasurements> {
  const configuration = await loadConfiguration(flags.config, typedOverrides(flags));
  const dataset = await openNamedDataset(flags, configuration);
  const table = await readInteractions(dataset);
  const rows = Math.min(table.rows, flags.limit ?? Infinity);
  const client = new GatewayClient({
    url,
    ...(flags.apiKey === undefined ? {} : { apiKey: flags.apiKey }),
    retriesMax: 50,
    retryDelayMsMax: 1000,
  });
  await client.waitUntilReady(READY_MAX_MS);
  let toldAtMs = -Infinity;
  const tell = (kind: "profiles" | "pairs", done: number, total: number) => {
    const nowMs = performance.now();
    if (nowMs - toldAtMs < NEWS_EVERY_MS && done < total) return;
    toldAtMs = nowMs;
    self.postMessage({ kind, done, total });
  };
  await sendProfiles(
    client,
    { dataset, table, rows },
    (done, total) => tell("profiles", done, total),
  );
  const measurements = await replayInteractions(client, {
    dataset,
    table,
    rows,
    tasks: configuration.joiner.tasks,
    inFlight: flags.inFlight,
    runId: crypto.randomUUID(),
    drainMsMax: DRAIN_MAX_MS,
    onProgress: (pairs) => tell("pairs", pairs, rows),
  });
  await sendAttributesOfRows(
    client,
    { table, rows },
    (done, total) => tell("profiles", done, total),
  );
  return measurements;
}
