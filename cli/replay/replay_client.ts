/**
 * Sends a dataset through the HTTP API as live traffic: for each interaction a rank request with
 * its item, then, after the answer, the user's action. Several such pairs are in flight at once;
 * each keeps its order, and pairs begin in the order of time.
 */
import { setTimeout as pause } from "node:timers/promises";
import { LabelRules } from "../../actors/joiner/label_rules.ts";
import type { TaskLabels } from "../../actors/joiner/options.ts";
import type { FeatureAttributes } from "../../kernels/features/feature_request.ts";
import type { Dataset } from "../../offline/datasets/dataset.ts";
import type { InteractionTable } from "../../offline/datasets/interaction_table.ts";
import { FreshnessTracker } from "../load/freshness.ts";
import type { GatewayClient, ProfileEntry } from "../load/gateway_client.ts";
import { Samples } from "../../offline/evaluation/samples.ts";

/** The interactions to send, and limits. */
export interface ReplayPlan {
  readonly dataset: Dataset;
  readonly table: InteractionTable;
  /** Interactions to send, from the first on. */
  readonly rows: number;
  readonly tasks: readonly TaskLabels[];
  /** Pairs under way at once, ≥ 1. */
  readonly inFlight: number;
  /** Makes event ids unique among all replays. */
  readonly runId: string;
  /** How long to wait at the end for the last events to be learned, ms. */
  readonly drainMsMax: number;
  /** Called now and then with the pairs done. */
  onProgress?(pairs: number): void;
}

/** The client's measurements. */
export interface ReplayMeasurements {
  /**
   * Score and label of each interaction, in the order of the answers. An action that no rule
   * matches makes a negative, as in training and when a window closes.
   */
  readonly scores: Float64Array<ArrayBuffer>;
  readonly labels: Float64Array<ArrayBuffer>;
  /** One per rank request, ms, in the order of their answers. */
  readonly rankMs: Float64Array<ArrayBuffer>;
  /** One per event that an answer was seen to have learned from, ms. */
  readonly freshnessMs: Float64Array<ArrayBuffer>;
  readonly pairs: number;
  readonly accepted: number;
  /** Events that no answer had learned from when the client stopped waiting. */
  readonly neverFresh: number;
  /** Requests sent again because the server asked to retry later. */
  readonly retries: number;
  /** From the first rank request to the last acceptance. */
  readonly seconds: number;
}

const DRAIN_PAUSE_MS = 5;

/** Stores the attributes of the dataset's users and items that `rows` of the table name. */
export async function sendProfiles(
  client: GatewayClient,
  { dataset, table, rows }: Pick<ReplayPlan, "dataset" | "table" | "rows">,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<number> {
  const items = profilesOf(table.itemOf.subarray(0, rows), table.items, dataset.items);
  const users = profilesOf(table.userOf.subarray(0, rows), table.users, dataset.users);
  const total = items.length + users.length;
  await client.storeProfiles("item", items, (stored) => onProgress(stored, total));
  await client.storeProfiles("user", users, (stored) => onProgress(items.length + stored, total));
  return total;
}

/**
 * Stores the newest attributes that the rows give for each item and user. To be called after the
 * replay: stored before it, they would tell rankings of earlier rows about the future.
 *
 * @returns The profiles that were stored.
 */
export async function sendAttributesOfRows(
  client: GatewayClient,
  { table, rows }: Pick<ReplayPlan, "table" | "rows">,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<number> {
  const newest = {
    item: new Map<string, FeatureAttributes>(),
    user: new Map<string, FeatureAttributes>(),
  };
  for (let row = 0; row < rows; row++) {
    const { item, user } = table.fields?.[row] ?? {};
    if (item !== undefined) newest.item.set(table.item(row), item);
    if (user !== undefined) newest.user.set(table.user(row), user);
  }
  const total = newest.item.size + newest.user.size;
  let done = 0;
  for (const kind of ["item", "user"] as const) {
    const profiles = [...newest[kind]].map(([id, attributes]) => ({ id, attributes }));
    const before = done;
    await client.storeProfiles(kind, profiles, (stored) => onProgress(before + stored, total));
    done += profiles.length;
  }
  return total;
}

/** Each id that `numbers` name, once, with its attributes where it has any. */
function profilesOf(
  numbers: Uint32Array,
  ids: readonly string[],
  attributesOf: ReadonlyMap<string, FeatureAttributes>,
): ProfileEntry[] {
  return [...new Set(numbers)].flatMap((number) => {
    const attributes = attributesOf.get(ids[number]);
    return attributes === undefined ? [] : [{ id: ids[number], attributes }];
  });
}

/**
 * Replays.
 *
 * @throws {GatewayError} When the server refuses a request for good.
 */
export async function replayInteractions(
  client: GatewayClient,
  plan: ReplayPlan,
): Promise<ReplayMeasurements> {
  const { dataset, table, rows, runId } = plan;
  const rules = new LabelRules(plan.tasks);
  const [scores, labels, rankMs] = [new Samples(), new Samples(), new Samples()];
  const freshness = new FreshnessTracker();
  let [next, pairs, accepted] = [0, 0, 0];

  const sendPair = async (row: number) => {
    const item = table.item(row);
    const fields = table.fields?.[row];
    const timestamp = table.atMs[row];
    const sentAtMs = performance.now();
    const ranking = await client.rank({
      user: table.user(row),
      candidates: [{ id: item, ...given("fields", fields?.item) }],
      ...given("userFields", fields?.user),
      ...given("context", fields?.context),
      timestamp,
    });
    const answeredAtMs = performance.now();
    rankMs.add(answeredAtMs - sentAtMs);
    freshness.answered(ranking.learnedThroughMs, answeredAtMs);

    const action = fields?.action ?? dataset.action;
    const value = Number.isNaN(table.values[row]) ? undefined : table.values[row];
    const label = rules.judge(action, value)?.labels[0];
    scores.add(ranking.items[0].score);
    labels.add(label ?? 0);
    const postedAtMs = performance.now();
    const { events: [event] } = await client.sendEvents([{
      eventId: `${runId}-${row}`,
      rankingId: ranking.rankingId,
      item,
      action,
      ...(value === undefined ? {} : { value }),
      timestamp,
    }]);
    if (event.status === "rejected") {
      throw new Error(`Event ${runId}-${row} was refused: ${event.problem.detail}`);
    }
    accepted++;
    // Only an event with a label moves `learnedThroughMs` by itself.
    if (label !== undefined) {
      freshness.accepted(event.acceptedAtMs, postedAtMs, performance.now());
    }
  };
  const chain = async () => {
    while (next < rows) {
      await sendPair(next++);
      plan.onProgress?.(++pairs);
    }
  };
  const startedAtMs = performance.now();
  await Promise.all(Array.from({ length: plan.inFlight }, chain));
  const seconds = (performance.now() - startedAtMs) / 1000;
  await drain(client, freshness, plan.drainMsMax);
  return {
    scores: scores.values(),
    labels: labels.values(),
    rankMs: rankMs.values(),
    freshnessMs: freshness.samples.values(),
    pairs,
    accepted,
    neverFresh: freshness.waiting,
    retries: client.retries,
    seconds,
  };
}

/** Polls `learnedThroughMs` until it covers every event, or until the time limit. */
async function drain(
  client: GatewayClient,
  freshness: FreshnessTracker,
  drainMsMax: number,
): Promise<void> {
  const endsAtMs = performance.now() + drainMsMax;
  while (freshness.waiting > 0 && performance.now() < endsAtMs) {
    const { learnedThroughMs } = await client.ready();
    freshness.answered(learnedThroughMs, performance.now());
    await pause(DRAIN_PAUSE_MS);
  }
}

/** `{[name]: attributes}` where there are any. */
function given<Name extends string>(
  name: Name,
  attributes: FeatureAttributes | undefined,
): { [N in Name]?: Record<string, string | number | boolean | string[] | null> } {
  return (attributes === undefined ? {} : { [name]: attributes }) as {
    [N in Name]?: Record<string, string | number | boolean | string[] | null>;
  };
}
