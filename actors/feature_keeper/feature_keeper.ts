/**
 * The feature keeper's behaviour: reads the event log behind its writers, and answers with the
 * features of users and items. Its state is a function of the log; a checkpoint saves it, so that a
 * restart reads only the newest records.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import {
  type ReadPosition,
  showUnread,
  type UnreadRecords,
} from "../../mesh/runtime/unread_records.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import { type OwnBlobs, requireMark } from "../../records/own_blobs.ts";
import { Checkpoints } from "./checkpoint.ts";
import { CheckpointWriter } from "./checkpoint_writer.ts";
import { KeptState } from "./kept_state.ts";
import { type TableName, tableNames } from "./kept_tables.ts";
import { OrderedReader } from "./ordered_reader.ts";
import { countsShownToUser, type FeatureKeeperOptions } from "./options.ts";
import type { FeatureKeeperMessage } from "./protocol.ts";
import { hasRecordsBefore, type ReadEnd, ReadPositions } from "./read_positions.ts";
import { TopSearches } from "./top_searches.ts";

/** The stores of a keeper. */
export interface FeatureKeeperDependencies {
  readonly eventLog: EventLog;
  readonly blobs: BlobStore;
}

/** Records that are read in one turn: a few milliseconds, between which requests are answered. */
const RECORDS_PER_TURN = 64;
/**
 * Time from a record until the log is read, ms: records come several at a time, and a turn for each
 * costs more than counting it. A feature is of use with the visitor's next request, which is later.
 */
const GATHER_MS = 20;
/** Rankings that a step looks at for erased users: about a millisecond. */
const RANKINGS_PER_STEP = 5_000;
/** Greatest share of a keeper's time that these steps take. */
const CLEARING_SHARE = 1 / 10;

export class FeatureKeeper implements Behavior<FeatureKeeperMessage> {
  readonly #context: ActorContext<FeatureKeeperMessage>;
  readonly #log: EventLog;
  readonly #reader: OrderedReader;
  /** Undefined where the log does not outlive the process. */
  readonly #writer: CheckpointWriter | undefined;
  readonly #state: KeptState;
  readonly #positions: ReadPositions;
  readonly #unsubscribe: readonly (() => void)[];
  readonly #unread: UnreadRecords;
  readonly #keys: Gauge;
  readonly #bytes: Gauge;
  /** Tell its gauges from those of other keepers on the page of their process. */
  readonly #labels: { readonly keeper: string };
  readonly #dropped: Counter;
  readonly #missed: Counter;
  /** Dropped keys that the metric counts already. */
  readonly #told: Record<TableName, number>;
  readonly #tops: TopSearches;
  #woken = false;
  /** The timer of the next reading. */
  #soon: { cancel(): void } | undefined;
  /** Partitions with records that came since the log was read. */
  readonly #appended = new Set<number>();
  #awaitsClearing = false;
  #isLeased = true;

  private constructor(
    context: ActorContext<FeatureKeeperMessage>,
    options: FeatureKeeperOptions,
    { eventLog }: FeatureKeeperDependencies,
    { checkpoints, state, positions, isClean }: {
      readonly checkpoints: Checkpoints;
      readonly state: KeptState;
      readonly positions: ReadPositions;
      readonly isClean: boolean;
    },
  ) {
    this.#context = context;
    this.#log = eventLog;
    const { offsets } = positions;
    this.#reader = new OrderedReader(eventLog, offsets, RECORDS_PER_TURN);
    this.#state = state;
    this.#positions = positions;
    const { checkpointMs: intervalMs } = options;
    this.#writer = intervalMs > 0
      ? new CheckpointWriter(context, { checkpoints, state, positions, intervalMs, isClean })
      : undefined;
    this.#told = { ...state.dropped };
    this.#tops = new TopSearches(context, state);
    this.#labels = { keeper: String(options.shard) };
    this.#keys = context.telemetry.gauge("cairn_keeper_keys", {
      help: "Users and items of which features are kept.",
      labelNames: ["keeper", "kind"],
    });
    this.#bytes = context.telemetry.gauge("cairn_keeper_bytes", {
      help: "Memory of kept features, as counted against kept.bytesMax.",
      labelNames: ["keeper"],
    });
    this.#dropped = context.telemetry.counter("cairn_keeper_dropped_total", {
      help: "Keys that were dropped because of kept.bytesMax or the bound of rankings.",
      labelNames: ["kind"],
    });
    this.#missed = context.telemetry.counter("cairn_keeper_records_missed_total", {
      help: "Records that the event log had removed before a keeper read them.",
    });
    const haste = countsShownToUser(options.features) ? "soon" : undefined;
    this.#unread = showUnread(
      context,
      { name: "events", log: eventLog },
      () => this.#readPositions,
    );
    const unsubscribe = offsets.map((_, partition) =>
      eventLog.onAppended(partition, () => {
        this.#appended.add(partition);
        this.#wakeSoon();
      }, haste)
    );
    this.#unsubscribe = [...unsubscribe, () => this.#unread.end()];
    this.#wake();
  }

  static async start(
    context: ActorContext<FeatureKeeperMessage>,
    options: FeatureKeeperOptions,
    dependencies: FeatureKeeperDependencies,
  ): Promise<FeatureKeeper> {
    const { eventLog, blobs } = dependencies;
    if (options.extent !== undefined) await eventLog.extend?.(options.extent);
    const checkpoints = new Checkpoints(blobs, options);
    const state = new KeptState(options);
    const kernel = BatchKernel.create();
    const { begin, isClean } = options.checkpointMs > 0
      ? await restore(context, eventLog, { ...options, blobs, checkpoints, state, kernel })
      : { begin: beginningOf(eventLog), isClean: true };
    const positions = new ReadPositions(kernel, begin);
    const parts = { checkpoints, state, positions, isClean };
    return new FeatureKeeper(context, options, dependencies, parts);
  }

  async receive(message: FeatureKeeperMessage): Promise<void> {
    switch (message.kind) {
      case "readKept": {
        const { user, items, atMs } = message;
        const misfit = this.#state.misfitOf(items, message.values);
        if (misfit !== undefined) return this.#context.replyError(message, misfit);
        const values = this.#state.read(user, items, atMs, message);
        return this.#context.reply(message, values, [values.items.buffer]);
      }
      case "getTop": {
        const { items, values } = this.#tops.of(message.feature, message.atMs);
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
      case "searchTop":
        return this.#tops.step();
      case "clearErased":
        return this.#clearErased();
      case "setLeased":
        return this.#setLeased(message.isLeased);
      case "getStatus":
        return this.#context.reply(message, {
          offsets: this.#readPositions.map(({ offset }) => offset),
          recordsUnread: this.#unread.count(),
          saved: [...this.#writer?.offsets ?? this.#positions.offsets],
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
    this.#soon?.cancel();
    if (this.#isLeased) await this.#writer?.stop();
  }

  #setLeased(isLeased: boolean): void {
    this.#isLeased = isLeased;
    this.#writer?.setLeased(isLeased);
    if (isLeased) this.#wake();
  }

  #wake(): void {
    if (this.#woken) return;
    this.#woken = true;
    this.#context.self.tell({ kind: "readLog" });
  }

  /** Has the log read in a moment, with the records that come until then. */
  #wakeSoon(): void {
    this.#soon ??= this.#context.schedule(GATHER_MS, { kind: "readLog" });
  }

  async #readLog(): Promise<void> {
    this.#woken = false;
    this.#soon?.cancel();
    this.#soon = undefined;
    if (!this.#isLeased) return;
    this.#reader.lookAgain(this.#appended);
    this.#appended.clear();
    let hasMore = true;
    for (let taken = 0; hasMore && taken < RECORDS_PER_TURN; taken++) {
      const record = await this.#reader.next();
      if (record === undefined) hasMore = false;
      else {
        this.#tellMissed(record.partition, record.offset);
        // Files must not keep an erased user until the next checkpoint.
        if (record.event && this.#state.takeEvent(record.event)) this.#writer?.hurry();
        this.#positions.take(record);
      }
    }
    this.#writer?.beginIfDue();
    this.#clearErasedIn(0);
    this.#tell();
    if (hasMore) this.#wake();
  }

  /** Its positions; the end of a partition of which all records are trimmed. */
  get #readPositions(): ReadPosition[] {
    return this.#positions.offsets.map((offset, partition) => {
      const hasRecords = this.#reader.hasRecords(partition) || this.#appended.has(partition);
      return { partition, offset: hasRecords ? offset : this.#log.knownEnd(partition) ?? offset };
    });
  }

  /** Tells of records before `offset` that the log removed while no checkpoint held them. */
  #tellMissed(partition: number, offset: number): void {
    const records = offset - this.#positions.offsets[partition];
    if (records === 0) return;
    this.#missed.add(records);
    this.#context.telemetry.log(
      "warn",
      "kept features begin without records that the event log has removed",
      { partition, records },
    );
  }

  /** Clears the next rankings of erased users, in a share of the keeper's time. */
  #clearErased(): void {
    this.#awaitsClearing = false;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    this.#state.clearErased(RANKINGS_PER_STEP);
    this.#clearErasedIn((clock.monotonicMs() - beganAtMs) * (1 / CLEARING_SHARE - 1));
  }

  #clearErasedIn(delayMs: number): void {
    if (this.#awaitsClearing || !this.#state.isClearing) return;
    this.#awaitsClearing = true;
    this.#context.schedule(delayMs, { kind: "clearErased" });
  }

  #tell(): void {
    const { users, items, bytes, dropped } = this.#state;
    this.#keys.set(users, { ...this.#labels, kind: "user" });
    this.#keys.set(items, { ...this.#labels, kind: "item" });
    this.#bytes.set(bytes, this.#labels);
    for (const name of tableNames) {
      const news = dropped[name] - this.#told[name];
      if (news === 0) continue;
      this.#told[name] = dropped[name];
      this.#dropped.add(news, { kind: name });
    }
  }
}

/**
 * Continues a state from the newest checkpoint, if the log still has the records behind it.
 *
 * @returns Where to read on, and whether no other checkpoint is stored.
 * @throws {OtherBlobsError} The store is not that of the options.
 */
async function restore(
  context: ActorContext<FeatureKeeperMessage>,
  eventLog: EventLog,
  { ownBlobs, blobs, checkpoints, state, kernel }: {
    readonly ownBlobs?: OwnBlobs | undefined;
    readonly blobs: BlobStore;
    readonly checkpoints: Checkpoints;
    readonly state: KeptState;
    readonly kernel: BatchKernel;
  },
): Promise<{ readonly begin: ReadEnd; readonly isClean: boolean }> {
  const { telemetry } = context;
  const beginning = beginningOf(eventLog);
  const saved = await checkpoints.read().catch((cause) => {
    telemetry.log("warn", "the kept features begin anew from the event log", { cause });
    return undefined;
  });
  // After the read: a volume may go away after any look. No snapshot is read, so none is required.
  if (ownBlobs !== undefined) await requireMark(blobs, ownBlobs);
  if (saved === undefined) return { begin: beginning, isClean: true };
  if (!await hasRecordsBefore(eventLog, kernel, saved)) {
    checkpoints.replaceFound();
    const message = "the kept features begin anew: the event log lacks records of their checkpoint";
    telemetry.log("warn", message);
    return { begin: beginning, isClean: true };
  }
  for (const _ of state.restoring(saved.parts, saved.records)) await nextTurn(context);
  // The log may have got partitions since.
  const offsets = beginning.offsets.map((_, partition) => saved.offsets[partition] ?? 0);
  const isClean = !await checkpoints.hasLeftovers().catch(() => true);
  return { begin: { ...saved, offsets }, isClean };
}

function beginningOf({ partitions }: EventLog): ReadEnd {
  return { offsets: Array.from({ length: partitions }, () => 0), lastRecords: [] };
}

/** Lets other actors of the thread and its requests go on. */
function nextTurn({ clock }: ActorContext<FeatureKeeperMessage>): Promise<void> {
  return new Promise((resolve) => void clock.schedule(0, resolve));
}
