/**
 * An actor's telemetry. Counters and histograms are the node's. A gauge has the value that the
 * actor set last, and none once the actor has ended: its state is on another host then. A restart
 * does not end it. Log lines get the trace id of the request being handled, so that the lines of
 * one HTTP request can be found from the gateway to the last shard.
 */
import type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  InstrumentOptions,
  LogLevel,
  Telemetry,
} from "../ports/telemetry.ts";
import { type TraceContext, traceIdOf } from "../ports/tracing.ts";

/** The actor that writes the lines. */
export interface TracedActor {
  readonly currentAsk: { readonly trace: TraceContext | undefined } | undefined;
}

export class ActorTelemetry implements Telemetry {
  readonly #telemetry: Telemetry;
  readonly #actor: TracedActor;
  /** By name; all incarnations of the actor share them. */
  readonly #gauges = new Map<string, Gauge>();
  readonly #watches: (() => void)[] = [];
  #hasEnded = false;

  constructor(telemetry: Telemetry, actor: TracedActor) {
    this.#telemetry = telemetry;
    this.#actor = actor;
  }

  counter(name: string, options: InstrumentOptions): Counter {
    return this.#telemetry.counter(name, options);
  }

  gauge(name: string, options: InstrumentOptions): Gauge {
    let gauge = this.#gauges.get(name);
    if (gauge === undefined) this.#gauges.set(name, gauge = this.#ownGauge(name, options));
    return gauge;
  }

  histogram(name: string, options: HistogramOptions): Histogram {
    return this.#telemetry.histogram(name, options);
  }

  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const trace = this.#actor.currentAsk?.trace;
    this.#telemetry.log(
      level,
      message,
      trace === undefined ? fields : { ...fields, traceId: traceIdOf(trace) },
    );
  }

  /** The actor has ended: its gauges have no value any more. */
  end(): void {
    this.#hasEnded = true;
    for (const endWatch of this.#watches.splice(0)) endWatch();
  }

  /** Watched, so that the end of one actor leaves the value that another one has set. */
  #ownGauge(name: string, options: InstrumentOptions): Gauge {
    const gauge = this.#telemetry.gauge(name, options);
    const { labelNames = [] } = options;
    const values = new Map<string, { value: number }>();
    return {
      set: (value, labels) => {
        if (this.#hasEnded) return;
        const key = labelNames.map((label) => labels?.[label]).join("\n");
        const held = values.get(key);
        if (held !== undefined) {
          held.value = value;
          return;
        }
        const first = { value };
        values.set(key, first);
        this.#watches.push(gauge.watch(() => first.value, labels));
      },
      watch: (read, labels) => gauge.watch(read, labels),
    };
  }
}
