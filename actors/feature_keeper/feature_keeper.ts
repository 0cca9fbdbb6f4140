/**
 * The feature keeper's behaviour: reads the event log behind its writers, and answers with the
 * features of users and items. Its state is a function of the log; a checkpoint saves it, so that a
 * restart reads only the newest records.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import { Checkpoints } from "./checkpoint.ts";
import { CheckpointWriter } from "./checkpoint_writer.ts";
import { KeptState, type TableName, tableNames } from "./kept_state.ts";
import type { FeatureKeeperOptions } from "./options.ts";
import type { FeatureKeeperMessage, TopItems } from "./protocol.ts";

/** The stores of a keeper. */
export interface FeatureKeeperDependencies {
  readonly eventLog: EventLog;
  readonly blobs: BlobStore;
}

/** Items of a list of the greatest values. */
const TOP_MAX = 500;
/** Time for which a list is kept, ms. */
const TOP_KEPT_MS = 1_000;
/** Records that are read in one turn. */
const RECORDS_PER_TURN = 256;

export class FeatureKeeper implements Behavior<FeatureKeeperMessage> {
  readonly #context: ActorContext<FeatureKeeperMessage>;
  readonly #eventLog: EventLog;
  /** Undefined where the log does not outlive the process. */
  readonly #writer: CheckpointWriter | undefined;
  readonly #state: KeptState;
  /** By partition of the event log. */
  readonly #offsets: number[];
  readonly #unsubscribe: readonly (() => void)[];
  readonly #keys: Gauge;
  readonly #bytes: Gauge;
  readonly #forgotten: Counter;
  /** Keys whose forgetting is counted in the metric. */
  readonly #told: Record<TableName, number>;
  /** The last list of each feature that was asked for. */
  readonly #tops = new Map<string, { readonly top: TopItems; readonly untilMs: number }>();
  #woken = false;

  private constructor(
    context: ActorContext<FeatureKeeperMessage>,
    options: FeatureKeeperOptions,
    { eventLog }: FeatureKeeperDependencies,
    { checkpoints, state, offsets }: {
      readonly checkpoints: Checkpoints;
      readonly state: KeptState;
      readonly offsets: number[];
    },
  ) {
    this.#context = context;
    this.#eventLog = eventLog;
    this.#state = state;
    this.#offsets = offsets;
    const { checkpointMs: intervalMs } = options;
    this.#writer = intervalMs > 0
      ? new CheckpointWriter(context, { checkpoints, state, offsets, intervalMs })
      : undefined;
    this.#told = { ...state.forgotten };
    this.#keys = context.telemetry.gauge("cairn_keeper_keys", {
      help: "Users and items of which features are kept.",
      labelNames: ["kind"],
    });
    this.#bytes = context.telemetry.gauge("cairn_keeper_bytes", {
      help: "Memory of kept features, as counted against kept.bytesMax.",
    });
    this.#forgotten = context.telemetry.counter("cairn_keeper_forgotten_total", {
      help: "Keys that were forgotten because of kept.bytesMax or the bound of rankings.",
      labelNames: ["kind"],
    });
    this.#unsubscribe = offsets.map((_, partition) =>
      eventLog.onAppended(partition, () => this.#wake())
    );
    this.#wake();
  }

  static async start(
    context: ActorContext<FeatureKeeperMessage>,
    options: FeatureKeeperOptions,
    dependencies: FeatureKeeperDependencies,
  ): Promise<FeatureKeeper> {
    const { eventLog, blobs } = dependencies;
    const checkpoints = new Checkpoints(blobs, options);
    const state = new KeptState(options);
    let offsets = Array.from({ length: eventLog.partitions }, () => 0);
    if (options.checkpointMs > 0) {
      const saved = await checkpoints.read().catch((cause) => {
        context.telemetry.log("warn", "the kept features begin anew from the event log", { cause });
        return undefined;
      });
      const ends = await Promise.all(offsets.map((_, partition) => eventLog.endOffset(partition)));
      // A log that ends before the checkpoint is another one.
      if (saved?.offsets.length === ends.length && saved.offsets.every((at, i) => at <= ends[i])) {
        state.restore(saved.parts, saved.records);
        offsets = [...saved.offsets];
      }
    }
    return new FeatureKeeper(context, options, dependencies, { checkpoints, state, offsets });
  }

  async receive(message: FeatureKeeperMessage): Promise<void> {
    switch (message.kind) {
      case "readKept": {
        const { user, items, atMs } = message;
        const values = this.#state.read(user, items, atMs, message);
        return this.#context.reply(message, values, [values.items.buffer]);
      }
      case "getTop": {
        const { items, values } = this.#topOf(message.feature, message.atMs);
        const { count } = message;
        return this.#context.reply(message, {
          items: items.slice(0, count),
          values: values.slice(0, count),
        });
      }
      case "readLog":
        return await this.#readLog();
      case "saveNext":
        return this.#writer?.saveNext();
      case "getStatus":
        return this.#context.reply(message, {
          offsets: [...this.#offsets],
          saved: [...this.#writer?.offsets ?? this.#offsets],
          users: this.#state.users,
          items: this.#state.items,
          bytes: this.#state.bytes,
        });
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#writer?.stop(this.#offsets);
  }

  /** The list of a feature, made at most once a second: it visits every item. */
  #topOf(feature: string, atMs: number): TopItems {
    const nowMs = this.#context.clock.monotonicMs();
    const known = this.#tops.get(feature);
    if (known !== undefined && nowMs < known.untilMs) return known.top;
    const top = this.#state.top(feature, TOP_MAX, atMs);
    this.#tops.set(feature, { top, untilMs: nowMs + TOP_KEPT_MS });
    return top;
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "readLog" });
  }

  async #readLog(): Promise<void> {
    this.#woken = false;
    let hasMore = false;
    for (let partition = 0; partition < this.#offsets.length; partition++) {
      const records = await this.#eventLog.read(
        partition,
        this.#offsets[partition],
        RECORDS_PER_TURN,
      );
      for (const { offset, bytes } of records) {
        // Files must not keep an erased user until the next checkpoint.
        if (this.#state.take(bytes)) this.#writer?.hurry();
        this.#offsets[partition] = offset + 1;
      }
      if (records.length === RECORDS_PER_TURN) hasMore = true;
    }
    this.#writer?.beginIfDue(this.#offsets);
    this.#tell();
    if (hasMore) this.#wake();
  }

  #tell(): void {
    const { users, items, bytes, forgotten } = this.#state;
    this.#keys.set(users, { kind: "user" });
    this.#keys.set(items, { kind: "item" });
    this.#bytes.set(bytes);
    for (const name of tableNames) {
      const news = forgotten[name] - this.#told[name];
      if (news === 0) continue;
      this.#told[name] = forgotten[name];
      this.#forgotten.add(news, { kind: name });
    }
  }
}
