/**
 * One ranking from its request to the first score that knows the events on it: the impression and
 * the actions come from the event log, the way through joiner, trainer, shards and sync from the
 * spans of all hosts, the first score from the newest activity.
 */
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { traceIdOf } from "../../mesh/ports/tracing.ts";
import type { ActionRecord } from "../../records/event_record.ts";
import { itemsWithScores, loggedFeatures } from "../../records/logged_features.ts";
import type { Explanation } from "../../actors/scorer/protocol.ts";
import type { MergedActivity } from "./merged_activity.ts";
import type { FoundRankings, LoggedRanking } from "./log_search.ts";
import type { ConsoleSources, NodeSpan } from "./sources.ts";

/** Items of a ranking that are shown and explained. */
const ITEMS_MAX = 20;
/** Rounds in which spans are found that others are linked to: join, step, sync. */
const LINK_ROUNDS = 4;
/** Traces in which spans are looked for. */
const TRACES_MAX = 64;
/** Spans of a story. */
const SPANS_MAX = 300;

export interface StoryItem {
  readonly id: string;
  readonly score: number;
  readonly actions: readonly string[];
  /** By the present model, from the features that were served; absent where it cannot be made. */
  readonly explanation?: Explanation;
}

export type StoryStepKind =
  | "request"
  | "impression"
  | "shown"
  | "action"
  | "example"
  | "training"
  | "rows"
  | "sync"
  | "known";

export interface StoryStep {
  readonly kind: StoryStepKind;
  readonly text: string;
  /** Host and thread, or partition and offset. */
  readonly where: string;
  /** Wall time, ms. */
  readonly atMs: number;
  readonly tookMs?: number;
}

export interface RankingStory {
  readonly rankingId: string;
  readonly user: string;
  readonly atMs: number;
  readonly itemCount: number;
  readonly items: readonly StoryItem[];
  /** Why there are no contributions. */
  readonly unexplained?: string;
  /** Ascending in time. */
  readonly steps: readonly StoryStep[];
  /** The spans of the request itself and of its learning. */
  readonly spans: readonly NodeSpan[];
  /** Whether the spans of the ranking were recorded. */
  readonly isTraced: boolean;
  readonly isLogged: boolean;
}

export interface StoryParts {
  readonly rankingId: string;
  readonly found: FoundRankings;
  readonly activity: MergedActivity;
}

/** Undefined where neither the log nor the newest activity has the ranking. */
export async function rankingStory(
  sources: Pick<ConsoleSources, "spans" | "columns" | "explain">,
  { rankingId, found, activity }: StoryParts,
): Promise<RankingStory | undefined> {
  const logged = found.rankings.at(0);
  const seen = activity.rankings.find((ranking) => ranking.rankingId === rankingId);
  if (logged === undefined && seen === undefined) return undefined;
  const trace = logged?.impression.trace;
  const traceId = seen?.traceId ?? (trace === undefined ? undefined : traceIdOf(trace));
  const spans = traceId === undefined ? [] : await linkedSpans(sources, traceId);
  const events = activity.events.filter((event) => event.rankingId === rankingId);
  const known = events.flatMap(({ knownAtMs, action, item, host }): StoryStep[] =>
    knownAtMs === undefined ? [] : [{
      kind: "known",
      text: `the first answer whose scores know the ${action} on ${item}`,
      where: host,
      atMs: knownAtMs,
    }]
  );
  const actions = logged === undefined
    ? events.map(({ action, item, acceptedAtMs, host }): StoryStep => ({
      kind: "action",
      text: `${action} on ${item}`,
      where: host,
      atMs: acceptedAtMs,
    }))
    : followerSteps(logged);
  const all = logged === undefined ? seen?.items ?? [] : itemsWithScores(logged.impression.shown);
  const explained = await explain(sources, logged);
  const onItems = logged === undefined ? events : actionsOf(logged.followers);
  return {
    rankingId,
    user: logged?.impression.user ?? seen?.user ?? "",
    atMs: seen?.atMs ?? logged?.impression.acceptedAtMs ?? 0,
    itemCount: seen?.itemCount ?? all.length,
    items: all.slice(0, ITEMS_MAX).map(({ id, score }, i) => ({
      id,
      score,
      actions: onItems.filter(({ item }) => item === id).map(({ action }) => action),
      ...(explained.rows?.[i] && { explanation: explained.rows[i] }),
    })),
    ...(explained.reason !== undefined && { unexplained: explained.reason }),
    steps: [
      ...(seen === undefined ? [] : [requestStep(seen)]),
      ...(logged === undefined ? [] : [impressionStep(logged)]),
      ...actions,
      ...spans.flatMap(spanStep),
      ...known,
    ].sort((a, b) => a.atMs - b.atMs),
    spans: spans.slice(0, SPANS_MAX),
    isTraced: traceId !== undefined,
    isLogged: logged !== undefined,
  };
}

/** The spans of the trace, and those that they caused: each round follows the links once more. */
async function linkedSpans(
  { spans }: Pick<ConsoleSources, "spans">,
  traceId: string,
): Promise<NodeSpan[]> {
  const traces = new Set([traceId]);
  const found = new Map<string, NodeSpan>();
  let asked = [traceId];
  for (let round = 0; round < LINK_ROUNDS && asked.length > 0; round++) {
    const before = traces.size;
    for (const span of await spans(asked)) {
      found.set(`${span.traceId} ${span.spanId}`, span);
      if (traces.size < TRACES_MAX) traces.add(span.traceId);
    }
    asked = [...traces].slice(before);
  }
  return [...found.values()].sort((a, b) => a.startedAtMs - b.startedAtMs);
}

async function explain(
  { columns, explain }: Pick<ConsoleSources, "columns" | "explain">,
  logged: LoggedRanking | undefined,
): Promise<{ readonly rows?: readonly Explanation[]; readonly reason?: string }> {
  if (logged === undefined) return { reason: "The event log no longer has this ranking." };
  const features = loggedFeatures(logged.impression.shown, columns, ITEMS_MAX);
  if (features === undefined) return { reason: "It was made with other features." };
  try {
    return { rows: await explain(features) };
  } catch (error) {
    return { reason: `The scorer does not explain it now: ${reasonOf(error)}` };
  }
}

function requestStep(
  { atMs, tookMs, itemCount, modelVersion, host }: MergedActivity["rankings"][number],
): StoryStep {
  return {
    kind: "request",
    text: `${itemCount} items ranked by model version ${modelVersion}`,
    where: host,
    atMs: atMs - tookMs,
    tookMs,
  };
}

function impressionStep({ partition, offset, impression }: LoggedRanking): StoryStep {
  return {
    kind: "impression",
    text: `logged with its features${movedText(impression)}`,
    where: `event log, partition ${partition}, offset ${offset}`,
    atMs: impression.acceptedAtMs,
  };
}

function movedText({ newItems = [] }: LoggedRanking["impression"]): string {
  if (newItems.length === 0) return "";
  const positions = newItems.map(({ index, chance }) =>
    `${index + 1} (chance ${Number(chance.toPrecision(2))})`
  );
  return `; new items at position ${positions.join(", ")}`;
}

/** The actions on a ranking, oldest first. */
export function actionsOf(followers: LoggedRanking["followers"]): ActionRecord[] {
  return followers.flatMap(({ record }) => record.kind === "action" ? [record] : []);
}

function followerSteps({ partition, followers }: LoggedRanking): StoryStep[] {
  return followers.map(({ offset, record }) => ({
    kind: record.kind,
    text: record.kind === "action"
      ? `${record.action} on ${record.item}`
      : `reported as shown: ${shownText(record.items)}`,
    where: `event log, partition ${partition}, offset ${offset}`,
    atMs: record.acceptedAtMs,
  }));
}

function shownText(items: readonly string[]): string {
  const more = items.length - ITEMS_MAX;
  return items.slice(0, ITEMS_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Spans that are steps of the story by themselves. */
const stepOfSpan: Readonly<Record<string, readonly [StoryStepKind, string]>> = {
  "joiner write examples": ["example", "examples decided and written to the example log"],
  "trainer step": ["training", "training step"],
  "embedding_shard applyGradients": ["rows", "gradients applied to the rows of a shard"],
  "row_feed carry rows": ["sync", "changed rows carried to serving"],
  "serving_replica applyDelta": ["sync", "rows taken over by a serving replica"],
};

function spanStep({ name, node, startedAtMs, tookMs, attributes }: NodeSpan): StoryStep[] {
  const step = stepOfSpan[name];
  if (step === undefined) return [];
  const [kind, text] = step;
  const actor = attributes["cairn.actor"];
  const examples = attributes["cairn.examples"];
  return [{
    kind,
    text: examples === undefined ? text : `${text} on ${examples} examples`,
    where: actor === undefined ? node : `${actor} in ${node}`,
    atMs: startedAtMs,
    tookMs,
  }];
}
