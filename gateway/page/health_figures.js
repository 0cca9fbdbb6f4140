/** Figures of the server's health over the last minute, from readings of /metrics. */

/** Readings that are kept, by their age, ms. */
const WINDOW_MS = 60_000;
const RANKING_ROUTES = ["/v1/rank", "/v1/recommend", "/v1/similar"];

/**
 * The figures of one answer of /metrics.
 *
 * @param text Prometheus' text format.
 * @param atMs Time of the answer.
 */
export function readingOf(text, atMs) {
  const reading = { atMs, rankings: 0, freshness: new Map(), snapshotAtMs: undefined };
  for (const [, name, labels = "", value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
    const label = (key) => new RegExp(`(?:^|,)${key}="([^"]*)"`).exec(labels)?.[1];
    const number = Number(value);
    if (name === "cairn_http_request_seconds_count") {
      const isAnswered = label("status")?.startsWith("2");
      if (RANKING_ROUTES.includes(label("route")) && isAnswered) reading.rankings += number;
    } else if (name === "cairn_sync_freshness_seconds_bucket") {
      const bound = label("le") === "+Inf" ? Infinity : Number(label("le"));
      reading.freshness.set(bound, (reading.freshness.get(bound) ?? 0) + number);
    } else if (name === "cairn_snapshot_timestamp_seconds" && number > 0) { // 0 = not set yet
      reading.snapshotAtMs = 1000 * number;
    }
  }
  return reading;
}

/** The readings with one more, and without those that are too old or of the server before it. */
export function withReading(readings, reading) {
  const last = readings.at(-1);
  const isRestarted = last !== undefined && reading.rankings < last.rankings;
  const kept = isRestarted ? [] : readings;
  return [...kept.filter(({ atMs }) => reading.atMs - atMs <= WINDOW_MS), reading];
}

/**
 * Rankings a second and median freshness between the oldest and the newest reading, and the age of
 * the newest snapshot. A figure is undefined where nothing was measured. `learns` says whether this
 * process carries what is learned and takes snapshots; in a mesh another host does.
 */
export function healthFigures(readings) {
  const [oldest, newest] = [readings[0], readings.at(-1)];
  const seconds = (newest.atMs - oldest.atMs) / 1000;
  const { snapshotAtMs } = newest;
  return {
    learns: newest.freshness.size > 0,
    rankingsPerSecond: seconds > 0 ? (newest.rankings - oldest.rankings) / seconds : undefined,
    freshnessMs: medianMs(oldest.freshness, newest.freshness),
    snapshotAgeMs: snapshotAtMs === undefined ? undefined : newest.atMs - snapshotAtMs,
  };
}

/** The median of the values between two readings of a histogram, interpolated in its bucket. */
function medianMs(before, now) {
  const counts = [...now].sort(([a], [b]) => a - b)
    .map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)]);
  const half = (counts.at(-1)?.[1] ?? 0) / 2;
  if (half <= 0) return undefined;
  let [below, lower] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= half) {
      const share = bound === Infinity ? 0 : (half - below) / (count - below);
      return 1000 * (share === 0 ? lower : lower + share * (bound - lower));
    }
    [below, lower] = [count, bound];
  }
}

const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** Name, value and explanation of each figure, as text. */
export function healthTexts({ learns, rankingsPerSecond, freshnessMs, snapshotAgeMs }) {
  const none = "–";
  const rankings = [
    "Rankings",
    rankingsPerSecond === undefined ? none : `${short.format(rankingsPerSecond)}/s`,
    "Answered rankings a second, over the last minute.",
  ];
  if (!learns) return [rankings];
  return [
    rankings,
    [
      "Freshness",
      freshnessMs === undefined ? none : span(freshnessMs),
      "Median age of an event when the scores begin to reflect it, over the last minute. " +
      "Without learned events there is none.",
    ],
    [
      "Last snapshot",
      snapshotAgeMs === undefined ? "none" : age(snapshotAgeMs),
      "Age of the newest snapshot, from which a restart begins. A server with storage: memory takes none.",
    ],
  ];
}

/** A duration, ms or seconds. */
function span(ms) {
  return ms < 1000 ? `${short.format(ms)} ms` : `${short.format(ms / 1000)} s`;
}

/** An age in whole units of the largest that fits. */
function age(ms) {
  const units = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000]];
  const [unit, length] = units.find(([, length]) => ms >= length) ?? ["s", 1000];
  return `${Math.floor(Math.max(0, ms) / length)} ${unit} ago`;
}
