/**
 * Derives the options of the gateway. Its memory must cover the joiner's: an event is refused when
 * its ranking is not remembered, also while the joiner would still join it.
 */
import type { GatewayOptions } from "../gateway/options.ts";
import { valueBoundsOf } from "./label_rules.ts";
import { attributeTypesOf, keptHistoriesOf, scenariosOf } from "./scenarios.ts";
import type { CairnFile } from "./schema.ts";

/**
 * A gateway's memory has 8 generations of equal size and always holds the newest 7 of them; see
 * RecentMap.
 */
const [GENERATIONS, GENERATIONS_SURE] = [8, 7];

/**
 * Share of the joiner's memory that covers the same rankings in the gateway: 4 bytes an item there,
 * at least 9 in the joiner.
 */
const RANKINGS_BYTES_SHARE = (4 / 9) * (GENERATIONS / GENERATIONS_SURE);

/** Time for which gateways know rankings of each other beyond the last event on them, ms. */
const KNOWN_BEYOND_MS = 60_000;

/** Rankings that the gateway must remember to know every ranking that the joiner holds. */
export function rankingsCovering({ impressionsMax }: Pick<CairnFile["joiner"], "impressionsMax">) {
  return GENERATIONS * Math.ceil(impressionsMax / GENERATIONS_SURE);
}

/** The gateway's options; bounds that the file leaves out derive from the joiner's. */
export function gatewayOptionsOf(file: CairnFile): GatewayOptions {
  const { gateway, joiner } = file;
  const rankingsMax = rankingsCovering(joiner);
  const learnedMs = learnedWithinMs(joiner);
  const { within: withinMs = learnedMs } = gateway.eventsWithoutRanking;
  return {
    apiKeys: gateway.apiKeys,
    bodyBytesMax: gateway.bodyMax,
    bodiesBytesMax: Math.max(gateway.bodiesMax, gateway.bodyMax),
    deadlineMs: gateway.deadline,
    requestsInFlightMax: gateway.requestsInFlightMax,
    timestampAheadMsMax: gateway.timestampAheadMax,
    eventsRememberedMax: gateway.eventsRememberedMax ?? rankingsMax,
    rankingsRememberedMax: gateway.rankingsRememberedMax ?? rankingsMax,
    rankingsBytesMax: Math.ceil(joiner.impressionsBytesMax * RANKINGS_BYTES_SHARE),
    knownMs: Math.max(learnedMs, withinMs) + joiner.clockSkewMax + KNOWN_BEYOND_MS,
    unknownRankings: gateway.unknownRankings,
    windowMs: joiner.window,
    eventsWithoutRanking: {
      match: gateway.eventsWithoutRanking.match,
      withinMs,
      negatives: gateway.eventsWithoutRanking.negatives,
      uniformShare: gateway.eventsWithoutRanking.uniformShare,
      itemsSeen: gateway.eventsWithoutRanking.itemsSeen,
    },
    valueBounds: valueBoundsOf(joiner),
    attributeTypes: attributeTypesOf(file),
    keptHistories: keptHistoriesOf(file),
    scenarios: scenariosOf(file),
    ...(file.ranker.scenario !== undefined && { scenario: file.ranker.scenario }),
    ...(file.recommend.enabled && { recommend: recommendOptionsOf(file) }),
    erasure: erasureOptionsOf(file),
    tracedShare: gateway.tracedShare,
    docsPage: gateway.docsPage,
    console: gateway.console,
  };
}

/** Time after a ranking within which its events may still be learned from, ms. */
export function learnedWithinMs({ window, lateLabels }: CairnFile["joiner"]): number {
  return Math.max(window, ...Object.values(lateLabels));
}

/** Time in which load balancers with their defaults leave out a host that is not ready, ms. */
const LEFT_OUT_MS = 10_000;

/** Time that load balancers have to leave a process out before it stops, ms. */
export function stopAfterMsOf({ gateway, mesh }: CairnFile): number {
  const serving = Object.values(mesh?.hosts ?? {}).filter(({ roles }) => roles.includes("serving"));
  // Without another host that serves, requests would fail all the same.
  return gateway.stopAfter ?? (serving.length > 1 ? LEFT_OUT_MS : 0);
}

/** Shortest time between two releases of the logs by an erasure, ms. */
const RELEASE_MS_MIN = 1_000;
/** Time that an erasure takes besides the retention of logs and snapshots, ms. */
const ERASURE_MARGIN_MS = 60_000;

/**
 * The event log holds records until their window, or the time of late labels, has passed; the
 * example log and old snapshots go when as many newer snapshots as are retained were taken.
 */
function erasureOptionsOf({ joiner, storage }: CairnFile): GatewayOptions["erasure"] {
  const learnedMs = learnedWithinMs(joiner);
  if (storage.kind === "memory") {
    return { retentionMs: learnedMs + ERASURE_MARGIN_MS, releaseMs: RELEASE_MS_MIN };
  }
  const { interval, spread, retained } = storage.snapshots;
  const snapshotsMs = (retained + 1) * (interval + spread);
  return {
    retentionMs: learnedMs + snapshotsMs + ERASURE_MARGIN_MS,
    releaseMs: Math.max(RELEASE_MS_MIN, interval),
  };
}

function recommendOptionsOf({ recommend }: CairnFile): NonNullable<GatewayOptions["recommend"]> {
  const { candidates, sources, recentBy, popularBy, trendingBy, historyBy } = recommend;
  return {
    candidates,
    sources,
    ordered: [
      "model",
      ...(recentBy === undefined ? [] : ["recent"] as const),
      ...(popularBy === undefined ? [] : ["popular"] as const),
      ...(trendingBy === undefined ? [] : ["trending"] as const),
      ...(historyBy === undefined ? [] : ["history"] as const),
    ],
  };
}
