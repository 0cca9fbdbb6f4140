/**
 * The charts of the console: which metrics each of them draws.
 */
import { rankingRoutes } from "./followed_rankings.ts";
import type { LabelMatch, MetricInterval } from "./metric_reading.ts";

/** Names of lines with their values at one moment; undefined = nothing happened to measure. */
export type ChartPoint = Readonly<Record<string, number | undefined>>;

/** When trainers publish the figures of progressive validation. */
export interface Validation {
  /** Names of the model's tasks; the examples of the first one are counted. */
  readonly tasks: readonly string[];
  /** Examples of one trainer since it began or published last. */
  readonly examples: number;
}

export interface Chart {
  readonly id: string;
  readonly group: "Serving" | "Learning" | "Memory and logs";
  readonly title: string;
  /** Unit of the values. A share lies in [0, 1] and is written in percent. */
  readonly unit: "per second" | "ms" | "share" | "bytes" | "count" | "cores" | "AUC";
  /** The meaning, where the title does not say it. */
  readonly help?: string;
  /** The condition for its first value, as the end of a sentence; shown while it is empty. */
  readonly awaits?: (validation: Validation) => string;
  point(interval: MetricInterval): ChartPoint;
}

const rankings: LabelMatch = { route: rankingRoutes };

export const charts: readonly Chart[] = [
  {
    id: "requests",
    group: "Serving",
    title: "Requests",
    unit: "per second",
    point: (interval) => {
      const rates = interval.rates("route", "cairn_http_request_seconds_count");
      return pointOf([...rates].filter(([route]) => route.startsWith("/v1/")));
    },
  },
  {
    id: "latency",
    group: "Serving",
    title: "Latency of rankings",
    unit: "ms",
    point: (interval) => quantiles(interval, "cairn_http_request_seconds", 1000, rankings),
  },
  {
    id: "refusals",
    group: "Serving",
    title: "Refused and failed requests",
    unit: "per second",
    help: "By status: 429 is overload, another 4xx a mistake of the client, 5xx a failure here.",
    point: (interval) => {
      const rates = interval.rates("status", "cairn_http_request_seconds_count");
      return pointOf([...rates].filter(([status]) => status >= "400"));
    },
  },
  {
    id: "missing",
    group: "Serving",
    title: "Ids without a row",
    unit: "share",
    help: "Ids looked up of which nothing is learned.",
    point: (interval) => ({
      serving: share(interval, "cairn_replica_missing_total", "cairn_replica_lookups_total"),
      training: share(interval, "cairn_shard_missing_total", "cairn_shard_lookups_total"),
    }),
  },
  {
    id: "freshness",
    group: "Learning",
    title: "Freshness",
    unit: "ms",
    help: "Age of the newest learned event when the scores begin to reflect it.",
    point: (interval) => quantiles(interval, "cairn_sync_freshness_seconds", 1000),
  },
  {
    id: "events",
    group: "Learning",
    title: "Events",
    unit: "per second",
    point: (interval) => pointOf(interval.rates("status", "cairn_events_total")),
  },
  {
    id: "joiner",
    group: "Learning",
    title: "Joiner",
    unit: "per second",
    help: "Rankings, actions and examples by what the joiner did with them.",
    point: (interval) => pointOf(interval.rates("outcome", "cairn_joiner_outcomes_total")),
  },
  {
    id: "examples",
    group: "Learning",
    title: "Examples",
    unit: "per second",
    point: (interval) => ({
      emitted: interval.rate("cairn_joiner_outcomes_total", { outcome: ["examplesEmitted"] }),
      "trained on": interval.rate("cairn_trainer_examples_total"),
      "put aside": interval.rate("cairn_trainer_rows_refused_total"),
      dropped: interval.rate("cairn_joiner_examples_dropped_total"),
    }),
  },
  {
    id: "auc",
    group: "Learning",
    title: "Progressive AUC",
    unit: "AUC",
    help: "By task, the mean of all trainers; each example is scored before its training step.",
    awaits: (validation) =>
      `${validatedExamples(validation)}; a task needs positives and negatives, and one with ` +
      "values as labels has no AUC",
    point: ({ now }) => pointOf(now.meanBy("task", "cairn_trainer_auc")),
  },
  {
    id: "calibration",
    group: "Learning",
    title: "Calibration",
    unit: "count",
    help: "By task: mean prediction divided by the mean label; 1 is right.",
    awaits: (validation) => `${validatedExamples(validation)}; a task needs positives`,
    point: ({ now }) => pointOf(now.meanBy("task", "cairn_trainer_calibration")),
  },
  {
    id: "step",
    group: "Learning",
    title: "Duration of a batch",
    unit: "ms",
    point: (interval) => quantiles(interval, "cairn_trainer_step_ms", 1),
  },
  {
    id: "rows",
    group: "Memory and logs",
    title: "Rows",
    unit: "count",
    point: ({ now }) => ({
      training: now.sum("cairn_shard_rows"),
      serving: total(now.leastBy("shard", "cairn_replica_rows")),
    }),
  },
  {
    id: "fullness",
    group: "Memory and logs",
    title: "Table fullness",
    unit: "share",
    help:
      "Memory of the fullest shard's tables, of embeddings.bytesMax; at 100 % rows are evicted.",
    point: ({ now }) => {
      const limits = now.by("shard", "cairn_shard_bytes_max");
      const shares = [...now.by("shard", "cairn_shard_bytes")]
        .map(([shard, bytes]) => bytes / (limits.get(shard) || Infinity));
      return { fullest: shares.length === 0 ? undefined : Math.max(...shares) };
    },
  },
  {
    id: "changes",
    group: "Memory and logs",
    title: "Rows admitted and evicted",
    unit: "per second",
    point: (interval) => {
      const { updated: _, ...changes } = pointOf(
        interval.rates("outcome", "cairn_shard_updates_total"),
      );
      return changes;
    },
  },
  {
    id: "logs",
    group: "Memory and logs",
    title: "Log fullness",
    unit: "share",
    help: "Above 75 % of the event log, open rankings are decided early.",
    point: ({ now }) => {
      const limits = now.by("log", "cairn_log_bytes_max");
      return pointOf(
        [...now.by("log", "cairn_log_bytes")]
          .map(([log, bytes]) => [log, bytes / (limits.get(log) || Infinity)]),
      );
    },
  },
  {
    id: "open",
    group: "Memory and logs",
    title: "Open rankings",
    unit: "count",
    help: "Rankings whose window has not closed.",
    point: ({ now }) => ({ open: now.sum("cairn_joiner_impressions_open") }),
  },
  {
    id: "memory",
    group: "Memory and logs",
    title: "Memory",
    unit: "bytes",
    point: ({ now }) => ({
      ...named(now.by("host", "process_resident_memory_bytes")),
      "training tables": now.sum("cairn_shard_bytes"),
      "newest snapshot": now.sum("cairn_snapshot_bytes"),
    }),
  },
  {
    id: "cores",
    group: "Memory and logs",
    title: "Cores in use",
    unit: "cores",
    point: (interval) => named(interval.rates("host", "process_cpu_seconds_total")),
  },
];

function validatedExamples({ tasks, examples }: Validation): string {
  return `a trainer publishes this after ${examples} examples of the task ${tasks[0]}`;
}

/** Lines of processes: the only one has no name. */
function named(values: ReadonlyMap<string, number>): ChartPoint {
  return pointOf([...values].map(([host, value]) => [host === "" ? "process" : host, value]));
}

function total(values: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const value of values.values()) sum += value;
  return sum;
}

function pointOf(values: Iterable<readonly [string, number]>): ChartPoint {
  return Object.fromEntries(values);
}

function quantiles(
  interval: MetricInterval,
  name: string,
  factor: number,
  match?: LabelMatch,
): ChartPoint {
  const scaled = (q: number) => {
    const value = interval.quantile(q, name, match);
    return value === undefined ? undefined : value * factor;
  };
  return { p50: scaled(0.5), p99: scaled(0.99) };
}

function share(interval: MetricInterval, part: string, whole: string): number | undefined {
  const rate = interval.rate(whole);
  return rate > 0 ? interval.rate(part) / rate : undefined;
}
