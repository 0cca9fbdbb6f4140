/**
 * The feature keeper's behaviour: reads the event log behind its writers, and answers with the
 * features of users and items. Its state is a function of the log; a checkpoint saves it, so that a
 * restart reads only the newest records.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Gauge } from "../../mesh/ports/telemetry.ts";
import { Checkpoints } from "./checkpoint.ts";
import { KeptState } from "./kept_state.ts";
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
/** Greatest share of a keeper's time that checkpoints take; no question is answered meanwhile. */
const CHECKPOINT_SHARE = 1 / 50;
/** Records that are read in one turn. */
const RECORDS_PER_TURN = 256;

export class FeatureKeeper implements Behavior<FeatureKeeperMessage> {
  readonly #context: ActorContext<FeatureKeeperMessage>;
  readonly #options: FeatureKeeperOptions;
  readonly #eventLog: EventLog;
  readonly #checkpoints: Checkpoints;
  readonly #state: KeptState;
  /** By partition of the event log. */
  readonly #offsets: number[];
  readonly #unsubscribe: readonly (() => void)[];
  readonly #keys: Gauge;
  /** The last list of each feature that was asked for. */
  readonly #tops = new Map<string, { readonly top: TopItems; readonly untilMs: number }>();
  #woken = false;
  #checkpointAtMs: number;
  #hasNews = false;

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
    this.#options = options;
    this.#eventLog = eventLog;
    this.#checkpoints = checkpoints;
    this.#state = state;
    this.#offsets = offsets;
    this.#checkpointAtMs = context.clock.monotonicMs() + options.checkpointMs;
    this.#keys = context.telemetry.gauge("cairn_keeper_keys", {
      help: "Users and items of which features are kept.",
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
        state.restore(saved.state);
        offsets = [...saved.offsets];
      }
    }
    return new FeatureKeeper(context, options, dependencies, { checkpoints, state, offsets });
  }

  async receive(message: FeatureKeeperMessage): Promise<void> {
    switch (message.kind) {
      case "readKept": {
        const { user, items, atMs, histories } = message;
        const values = this.#state.read(user, items, atMs, histories);
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
      case "getStatus":
        return this.#context.reply(message, {
          offsets: [...this.#offsets],
          users: this.#state.users,
          items: this.#state.items,
        });
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    if (this.#options.checkpointMs > 0 && this.#hasNews) await this.#checkpoint();
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
        this.#state.take(bytes);
        this.#offsets[partition] = offset + 1;
        this.#hasNews = true;
      }
      if (records.length === RECORDS_PER_TURN) hasMore = true;
    }
    this.#keys.set(this.#state.users, { kind: "user" });
    this.#keys.set(this.#state.items, { kind: "item" });
    const { checkpointMs } = this.#options;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    if (checkpointMs > 0 && this.#hasNews && beganAtMs >= this.#checkpointAtMs) {
      await this.#checkpoint();
      const tookMs = clock.monotonicMs() - beganAtMs;
      this.#checkpointAtMs = beganAtMs + Math.max(checkpointMs, tookMs / CHECKPOINT_SHARE);
    }
    if (hasMore) this.#wake();
  }

  /** A checkpoint that cannot be written costs a longer restart, so the keeper goes on. */
  async #checkpoint(): Promise<void> {
    this.#hasNews = false;
    try {
      await this.#checkpoints.write({ offsets: [...this.#offsets], state: this.#state.save() });
    } catch (cause) {
      this.#hasNews = true;
      this.#context.telemetry.log("warn", "cannot save the kept features", { cause });
    }
  }
}
