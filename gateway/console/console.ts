/**
 * The state behind the console page: charts of the last hour, sampled while the server runs, the
 * newest requests, and the hosts and stores of the mesh. Viewers get the history first, then each
 * sample.
 */
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { SharedAnswer } from "../shared_answer.ts";
import { Activity } from "./activity.ts";
import { ChartHistory, type ChartSample } from "./chart_history.ts";
import { charts } from "./charts.ts";
import { FollowedRankings } from "./followed_rankings.ts";
import { mergeActivities, type MergedActivity } from "./merged_activity.ts";
import { type MeshSeen, meshSeen } from "./mesh_seen.ts";
import { type HostMetrics, MetricInterval, MetricReading } from "./metric_reading.ts";
import { type PartsSeen, partsSeen } from "./parts_seen.ts";
import type { ConsoleSources } from "./sources.ts";
import { type StoresSeen, storesSeen } from "./stores_seen.ts";

/** Time between two samples, ms. */
export const SAMPLE_MS = 5_000;
/** Samples of an hour. */
const SAMPLES_MAX = 720;
/** Viewers at a time; each of them gets every sample. */
export const VIEWERS_MAX = 32;
/** Answers about the mesh and the activity of all gateways are shared for this long, ms. */
const SHARED_MS = 500;
/** The same for lists in the blob store. */
const STORES_MS = 10_000;

/** A sample with the state of the parts at that time. */
export interface ConsoleSample extends ChartSample {
  readonly parts: PartsSeen;
}

/** Takes each sample from the subscription on; `ended` is called when the server stops. */
export interface Viewer {
  sample(sample: ConsoleSample): void;
  ended(): void;
}

export interface ConsoleParts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly sources: ConsoleSources;
}

export class Console {
  readonly activity: Activity;
  readonly history = new ChartHistory(charts, SAMPLES_MAX);
  readonly sources: ConsoleSources;
  readonly #parts: ConsoleParts;
  readonly #followed: FollowedRankings;
  readonly #viewers = new Set<Viewer>();
  readonly #mesh: SharedAnswer<MeshSeen>;
  readonly #merged: SharedAnswer<MergedActivity>;
  readonly #stores: SharedAnswer<StoresSeen>;
  readonly #answeredAtMs = new Map<string, number>();
  #failures: ReadonlyMap<string, string> = new Map();
  #reading: MetricReading | undefined;
  #interval: MetricInterval | undefined;
  #lastView: MeshView | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: ConsoleParts) {
    const { clock, sources } = parts;
    this.#parts = parts;
    this.sources = sources;
    this.activity = new Activity(clock);
    this.#followed = new FollowedRankings(clock);
    this.#mesh = new SharedAnswer(clock, SHARED_MS, () => this.#readMesh());
    this.#merged = new SharedAnswer(clock, SHARED_MS, () => this.#readActivities());
    this.#stores = new SharedAnswer(clock, STORES_MS, () => storesSeen(sources.blobs));
  }

  /** Begins to sample. */
  start(): void {
    this.#timer = this.#parts.clock.schedule(SAMPLE_MS, () => void this.#sample());
  }

  /** Ends sampling and all views. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const viewer of this.#viewers) viewer.ended();
    this.#viewers.clear();
  }

  /**
   * @returns Ends the subscription; undefined where as many viewers as possible are watching, or
   * the server stops.
   */
  subscribe(viewer: Viewer): (() => void) | undefined {
    if (this.#stopped || this.#viewers.size >= VIEWERS_MAX) return undefined;
    this.#viewers.add(viewer);
    return () => void this.#viewers.delete(viewer);
  }

  /** Whether the spans of the request that begins now are recorded for the console. */
  follows(route: string): boolean {
    return this.#followed.begins(route);
  }

  /** The hosts and the shards now. */
  mesh(): Promise<MeshSeen> {
    return this.#mesh.get();
  }

  /** The newest requests of all gateways. */
  mergedActivity(): Promise<MergedActivity> {
    return this.#merged.get();
  }

  /** Snapshots, and examples that were put aside. */
  stores(): Promise<StoresSeen> {
    return this.#stores.get();
  }

  async #readMesh(): Promise<MeshSeen> {
    const { sources } = this.#parts;
    const view = await sources.meshView?.().catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error))
    );
    if (view !== undefined && !(view instanceof Error)) this.#lastView = view;
    return meshSeen(sources, {
      interval: this.#interval,
      view,
      lastView: this.#lastView,
      answeredAtMs: this.#answeredAtMs,
      failures: this.#failures,
    });
  }

  async #readActivities(): Promise<MergedActivity> {
    const { sources } = this.#parts;
    const own = { host: sources.host, activity: this.activity.read() };
    return mergeActivities([own, ...await sources.otherActivities()]);
  }

  async #sample(): Promise<void> {
    const { clock, telemetry, sources } = this.#parts;
    try {
      const readings = await sources.metrics();
      const answered = readings.filter((each): each is HostMetrics => "families" in each);
      for (const { host } of answered) this.#answeredAtMs.set(host, clock.nowMs());
      this.#failures = new Map(
        readings.flatMap((each) => "failure" in each ? [[each.host, each.failure]] : []),
      );
      const now = new MetricReading(answered, clock.monotonicMs());
      const before = this.#reading;
      this.#reading = now;
      if (before !== undefined && answered.length > 0) this.#add(new MetricInterval(before, now));
    } catch (cause) {
      telemetry.log("debug", "the console took no sample", { cause });
    }
    if (!this.#stopped) this.start();
  }

  #add(interval: MetricInterval): void {
    this.#interval = interval;
    const sample = {
      ...this.history.add(this.#parts.clock.nowMs(), interval),
      parts: partsSeen(interval),
    };
    for (const viewer of this.#viewers) viewer.sample(sample);
  }
}
