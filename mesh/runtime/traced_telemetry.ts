/**
 * An actor's telemetry: adds the trace id of the request being handled to its log lines, so that
 * the lines of one HTTP request can be found from the gateway to the last shard. Instruments are
 * the node's.
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

export class TracedTelemetry implements Telemetry {
  readonly #telemetry: Telemetry;
  readonly #actor: TracedActor;

  constructor(telemetry: Telemetry, actor: TracedActor) {
    this.#telemetry = telemetry;
    this.#actor = actor;
  }

  counter(name: string, options: InstrumentOptions): Counter {
    return this.#telemetry.counter(name, options);
  }

  gauge(name: string, options: InstrumentOptions): Gauge {
    return this.#telemetry.gauge(name, options);
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
}
