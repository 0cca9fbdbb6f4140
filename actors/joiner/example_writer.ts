/**
 * Appends the joiner's chunks, and decides between waiting and dropping while the example log takes
 * nothing.
 *
 * The joiner waits at first: the events stay in the event log until trainers and snapshots have
 * made room. Rankings and events need room in the event log too, and serving must not depend on
 * learning. So once the event log is nearly full, the finished chunks are dropped and counted, and
 * the joiner goes on, until appends succeed or trimming has made room.
 */
import { type EventLog, isRefusal } from "../../mesh/ports/event_log.ts";
import type { Counter, Telemetry } from "../../mesh/ports/telemetry.ts";
import type { Tracing } from "../../mesh/ports/tracing.ts";
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { ExamplePartitions } from "./example_partitions.ts";

/** Share of the event log's limit from which room is made in it at any cost. */
const NEARLY_FULL = 0.75;

/** Whether an event log needs room at once. */
export function isNearlyFull(eventLog: EventLog): boolean {
  const { bytes, bytesMax } = eventLog.usage();
  return bytes >= NEARLY_FULL * bytesMax;
}

type WriterState =
  | { readonly kind: "writing" }
  /** The last append was refused; the chunks wait. */
  | { readonly kind: "waiting"; readonly reason: string }
  /** Appends are refused while the event log is nearly full. */
  | { readonly kind: "dropping"; readonly reason: string; rows: number };

export class ExampleWriter {
  readonly #examples: ExamplePartitions;
  readonly #eventLog: EventLog;
  readonly #telemetry: Telemetry;
  readonly #tracing: Tracing;
  readonly #droppedTotal: Counter;
  #state: WriterState = { kind: "writing" };
  #dropped = 0;

  constructor(
    examples: ExamplePartitions,
    eventLog: EventLog,
    { telemetry, tracing }: Pick<ActorContext<never>, "telemetry" | "tracing">,
  ) {
    this.#examples = examples;
    this.#eventLog = eventLog;
    this.#telemetry = telemetry;
    this.#tracing = tracing;
    this.#droppedTotal = telemetry.counter("cairn_joiner_examples_dropped_total", {
      help: "Examples that no trainer will learn from, because the example log took nothing.",
    });
  }

  /** Examples dropped since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The reason why examples do not reach the trainers; undefined while they do. */
  get warning(): string | undefined {
    return warningOf(this.#state);
  }

  /**
   * Appends the finished chunks, or drops them.
   *
   * @returns False if the chunks wait and the joiner must stop.
   */
  async write(): Promise<boolean> {
    const links = this.#examples.takeTraces();
    const span = links.length > 0
      ? this.#tracing.begin("joiner write examples", { kind: "consumer", links })
      : undefined;
    try {
      if (await this.#examples.write() > 0) this.#writing();
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      if (isNearlyFull(this.#eventLog)) {
        this.#drop(error.message);
        return true;
      }
      this.#wait(error.message);
      return false;
    } finally {
      span?.end();
    }
  }

  #writing(): void {
    const state = this.#state;
    if (state.kind === "writing") return;
    const rows = state.kind === "dropping" ? { examplesDropped: state.rows } : {};
    this.#telemetry.log("info", "the example log takes chunks again", rows);
    this.#state = { kind: "writing" };
  }

  #wait(reason: string): void {
    // Logged once: /health/ready and cairn_log_refusing tell for how long it lasts.
    if (this.#state.kind === "writing") {
      this.#telemetry.log("warn", `the joiner waits: ${reason}`);
      this.#state = { kind: "waiting", reason };
    }
  }

  #drop(reason: string): void {
    if (this.#state.kind !== "dropping") {
      this.#telemetry.log("warn", `the joiner drops examples, the event log is full: ${reason}`);
      this.#state = { kind: "dropping", reason, rows: 0 };
    }
    const rows = this.#examples.drop();
    this.#state.rows += rows;
    this.#dropped += rows;
    this.#droppedTotal.add(rows);
  }
}

function warningOf(state: WriterState): string | undefined {
  switch (state.kind) {
    case "writing":
      return undefined;
    case "waiting":
      return `No new examples reach the trainers: ${state.reason}`;
    case "dropping":
      return `Nothing is learned from new events, so that rankings go on: the event log is nearly ` +
        `full, and ${state.rows} examples were dropped because the example log takes none: ` +
        state.reason;
  }
}
