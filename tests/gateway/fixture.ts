/**
 * A gateway on doubles: a scripted ranker, stores in memory, and a virtual clock.
 */
import type {
  DescribeItems,
  Rank,
  RankerMessage,
  Ranking,
  Recommend,
  RecommendSimilar,
} from "../../actors/ranker/protocol.ts";
import type { ScorerStatus } from "../../actors/scorer/protocol.ts";
import { createGateway } from "../../gateway/app.ts";
import { GatewayMemory } from "../../gateway/memory/gateway_memory.ts";
import type { GatewayOptions } from "../../gateway/options.ts";
import type { GatewayParts } from "../../gateway/parts.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { type SharedRankings, UNLOGGED_ITEM } from "../../mesh/ports/shared_rankings.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { type ActionRecord, decodeEvent, encodeEvent } from "../../records/event_record.ts";
import { impression } from "../actors/joiner/records.ts";

/** Wall time at which every fixture begins, ms. */
export const startMs = Date.UTC(2026, 0, 1);

/** Options of every fixture, unless a test overrides them. */
export const fixtureOptions: GatewayOptions = {
  apiKeys: [],
  bodyBytesMax: 1024 * 1024,
  bodiesBytesMax: 64 * 1024 * 1024,
  deadlineMs: 1000,
  requestsInFlightMax: 1024,
  timestampAheadMsMax: 60_000,
  eventsRememberedMax: 200_000,
  rankingsRememberedMax: 100_000,
  rankingsBytesMax: 1 << 28,
  unknownRankings: "refuse",
  knownMs: 90_000,
  windowMs: 30_000,
  valueBounds: {},
  eventsWithoutRanking: {
    match: "lastShown",
    withinMs: 60_000,
    negatives: 2,
    uniformShare: 0.5,
    itemsSeen: 50,
  },
  attributeTypes: {
    item: { price: "number", brand: "text", tags: "texts", hidden: "boolean", year: "label" },
    user: { age: "number" },
    context: { device: "label" },
  },
  keptHistories: ["shown", "click"],
  scenarios: { home: { filter: ["!hidden"], pin: [{ item: "b", position: 1 }] } },
  recommend: { candidates: 300, sources: ["model"], ordered: ["model"] },
  erasure: { retentionMs: 60_000, releaseMs: 5_000 },
  tracedShare: 0,
  docsPage: true,
  console: true,
};

/** Answers rank requests by `script`; by default the candidates in order, with falling scores. */
export class ScriptedRanker implements ActorRef<RankerMessage> {
  readonly address = "ranker/0";
  readonly asked: Rank[] = [];
  readonly askedWith: AskOptions[] = [];
  /** Requests for recommendations and similar items. */
  readonly recommended: (Recommend | RecommendSimilar)[] = [];
  /** Answers them; by default with two items. */
  recommend: (request: Recommend | RecommendSimilar) => Ranking | Promise<Ranking> = (request) => ({
    ...this.inOrder({ ...request, kind: "rank", candidates: [{ id: "a" }, { id: "b" }] }),
  });
  /** Told of each ranking by request, as the real ranker tells them. */
  sharedRankings: GatewayParts["sharedRankings"];
  statusAsked = 0;
  status: ScorerStatus = {
    ready: true,
    modelVersion: 3,
    learnedThroughMs: startMs - 500,
    shardsAway: 0,
  };
  script: (rank: Rank) => Ranking | Promise<Ranking> = (rank) => this.inOrder(rank);

  readonly described: DescribeItems[] = [];
  describe: (request: DescribeItems) => Uint8Array | Promise<Uint8Array> = (
    { rankingId, items, atMs, user, logSampleRate },
  ) => encodeEvent({ ...impression({ ranking: rankingId, items, atMs }), user, logSampleRate });

  tell(message: RankerMessage): void {
    throw new Error(`The gateway tells the ranker nothing, but told it ${message.kind}`);
  }

  readonly ask =
    ((request: RankerMessage, options: AskOptions) => this.#answer(request, options)) as ActorRef<
      RankerMessage
    >["ask"];

  inOrder(rank: Rank): Ranking {
    return {
      rankingId: rank.rankingId ?? `ranking-${this.asked.length}`,
      items: rank.candidates.slice(0, rank.limit).map(({ id }, i) => ({
        id,
        score: 1 / (i + 2),
        cold: i % 2 === 1,
        ...(rank.explain && { explanation: [{ slot: "item", contribution: 0.25 }] }),
      })),
      modelVersion: this.status.modelVersion,
      learnedThroughMs: this.status.learnedThroughMs,
    };
  }

  async #answer(
    request: RankerMessage,
    options: AskOptions,
  ): Promise<ScorerStatus | Ranking | Uint8Array> {
    switch (request.kind) {
      case "getStatus":
        this.statusAsked++;
        return this.status;
      case "recommend":
      case "recommendSimilar":
        this.recommended.push(request);
        return await this.recommend(request);
      case "rank":
        this.asked.push(request);
        this.askedWith.push(options);
        return await this.#shared(request, await this.script(request));
      case "describeItems":
        this.described.push(request);
        return await this.describe(request);
    }
  }

  async #shared(request: Rank, ranking: Ranking): Promise<Ranking> {
    const shown = request.shown?.map((id) => ({ id })) ?? ranking.items;
    const marked = ranking.unlogged ? [...shown, { id: UNLOGGED_ITEM }] : shown;
    await this.sharedRankings?.remember(ranking.rankingId, marked);
    return ranking;
  }
}

export interface FixtureParts {
  readonly options?: Partial<GatewayOptions>;
  readonly eventLog?: EventLog;
  readonly exampleLog?: EventLog;
  readonly profiles?: ProfileStore;
  readonly sharedRankings?: GatewayParts["sharedRankings"];
  readonly otherGateways?: GatewayParts["otherGateways"];
  readonly memory?: GatewayMemory;
  readonly erasures?: GatewayParts["erasures"];
  readonly clock?: VirtualClock;
  readonly random?: SeededRandom;
  readonly checkProfile?: GatewayParts["checkProfile"];
  readonly labels?: GatewayParts["labels"];
  readonly trainers?: GatewayParts["trainers"];
  readonly joiners?: GatewayParts["joiners"];
  readonly markWriter?: GatewayParts["markWriter"];
  readonly replicas?: GatewayParts["replicas"];
  readonly shards?: GatewayParts["shards"];
  readonly failingParts?: GatewayParts["failingParts"];
  readonly unplacedParts?: GatewayParts["unplacedParts"];
  readonly leaseEnd?: GatewayParts["leaseEnd"];
  readonly snapshotFailures?: GatewayParts["snapshotFailures"];
  readonly links?: GatewayParts["links"];
  readonly joinedHosts?: GatewayParts["joinedHosts"];
  readonly unlistedHosts?: GatewayParts["unlistedHosts"];
  readonly metricsText?: GatewayParts["metricsText"];
  readonly attributes?: GatewayParts["attributes"];
  readonly console?: GatewayParts["console"];
  readonly tracing?: GatewayParts["tracing"];
  readonly storedItems?: GatewayParts["storedItems"];
}

export function gatewayFixture(parts: FixtureParts = {}) {
  const clock = parts.clock ?? new VirtualClock({ startMs });
  const eventLog = parts.eventLog ?? new MemoryEventLog({ name: "events", partitions: 2 });
  const options = { ...fixtureOptions, ...parts.options };
  const profiles = parts.profiles ?? new MemoryProfileStore(clock);
  const memory = parts.memory ?? new GatewayMemory(clock, options);
  const ranker = new ScriptedRanker();
  ranker.sharedRankings = parts.sharedRankings;
  const telemetry = new TelemetryRecorder();
  const app = createGateway({
    ranker,
    eventLog,
    profiles,
    telemetry,
    clock,
    random: parts.random ?? new SeededRandom(7),
    options,
    memory,
    ...(parts.exampleLog && { exampleLog: parts.exampleLog }),
    ...(parts.erasures && { erasures: parts.erasures }),
    ...(parts.sharedRankings && { sharedRankings: parts.sharedRankings }),
    ...(parts.otherGateways && { otherGateways: parts.otherGateways }),
    ...(parts.checkProfile && { checkProfile: parts.checkProfile }),
    ...(parts.labels && { labels: parts.labels }),
    ...(parts.trainers && { trainers: parts.trainers }),
    ...(parts.joiners && { joiners: parts.joiners }),
    ...(parts.markWriter && { markWriter: parts.markWriter }),
    ...(parts.replicas && { replicas: parts.replicas }),
    ...(parts.shards && { shards: parts.shards }),
    ...(parts.failingParts && { failingParts: parts.failingParts }),
    ...(parts.unplacedParts && { unplacedParts: parts.unplacedParts }),
    ...(parts.leaseEnd && { leaseEnd: parts.leaseEnd }),
    ...(parts.snapshotFailures && { snapshotFailures: parts.snapshotFailures }),
    ...(parts.links && { links: parts.links }),
    ...(parts.joinedHosts && { joinedHosts: parts.joinedHosts }),
    ...(parts.unlistedHosts && { unlistedHosts: parts.unlistedHosts }),
    ...(parts.attributes && { attributes: parts.attributes }),
    ...(parts.console && { console: parts.console }),
    ...(parts.tracing && { tracing: parts.tracing }),
    ...(parts.storedItems && { storedItems: parts.storedItems }),
    metricsText: parts.metricsText ?? (() => Promise.resolve("# metrics\n")),
  });

  function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    return app.request(path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  }

  /** Serves a ranking of `items` under `rankingId`. */
  async function rank(rankingId: string, items: readonly string[]): Promise<void> {
    const response = await post("/v1/rank", {
      user: "u",
      rankingId,
      candidates: items.map((id) => ({ id })),
    });
    if (response.status !== 200) throw new Error(await response.text());
    await response.body?.cancel();
  }

  /** The actions in the event log, partition by partition. */
  async function logged(): Promise<ActionRecord[]> {
    const records = [];
    for (let partition = 0; partition < eventLog.partitions; partition++) {
      records.push(...await eventLog.read(partition, 0, 10_000));
    }
    return records.map(({ bytes }) => decodeEvent(bytes) as ActionRecord);
  }

  return { app, clock, eventLog, profiles, memory, ranker, telemetry, options, post, rank, logged };
}

/** Shared rankings of a server that has none. */
export const noSharedRankings: SharedRankings = {
  append: () => Promise.reject(new Error("no ranking is appended")),
  remember: () => Promise.resolve(),
  load: () => Promise.resolve(new Map()),
  check: () => "unknown-ranking",
  appendOnce: () => Promise.reject(new Error("no event is of another gateway")),
  unshared: 0,
  givenUp: 0,
  close() {},
};

export async function json(response: Response | Promise<Response>) {
  // deno-lint-ignore no-explicit-any -- tests compare the whole value or assert on its fields
  return await (await response).json() as any;
}
