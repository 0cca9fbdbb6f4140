/**
 * A serving replica's behaviour: one shard's read-only weights, updated by numbered deltas. A delta
 * that does not follow the last one is refused, and the row feed then fills the replica with all
 * rows. During a fill the replica serves its earlier rows.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ClassServingTables } from "../../kernels/embedding/serving_table.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { ServedWeights } from "../../kernels/embedding/served_weights.ts";
import type { DeltaPosition } from "../embedding_shard/protocol.ts";
import type { RowFeedMessage } from "../row_feed/protocol.ts";
import type { ServingReplicaOptions } from "./options.ts";
import {
  type ApplyDelta,
  FillLostError,
  type LoadRows,
  type ReplicaLookup,
  ReplicaNotCurrentError,
  type ServingReplicaMessage,
} from "./protocol.ts";

export class ServingReplica implements Behavior<ServingReplicaMessage> {
  readonly #context: ActorContext<ServingReplicaMessage>;
  readonly #options: ServingReplicaOptions;
  readonly #tables: ClassServingTables;
  readonly #kernel = BatchKernel.create();
  /** All rows are of this moment or, during a fill, newer. Undefined before the first fill. */
  #position: DeltaPosition | undefined;
  /** Whether the last fill left rows out. */
  #lacksRows = false;
  /** The mark of the rows, ms; undefined before the first. */
  #learnedThroughMs: number | undefined;
  /** True between the first and the last page of a fill. Deltas are refused then. */
  #filling = false;
  readonly #labels: { readonly shard: string };
  readonly #lookups: Counter;
  readonly #missing: Counter;
  readonly #refused: Counter;
  readonly #rows: Gauge;
  readonly #leftOut: Counter;

  constructor(
    context: ActorContext<ServingReplicaMessage>,
    options: ServingReplicaOptions,
  ) {
    this.#context = context;
    this.#options = options;
    this.#tables = new ClassServingTables(options);
    this.#labels = { shard: String(options.shard) };
    const labelNames = ["shard"];
    this.#lookups = context.telemetry.counter("cairn_replica_lookups_total", {
      help: "Ids looked up for ranking.",
      labelNames,
    });
    this.#missing = context.telemetry.counter("cairn_replica_missing_total", {
      help: "Ids looked up for ranking that have no row.",
      labelNames,
    });
    this.#refused = context.telemetry.counter("cairn_replica_deltas_refused_total", {
      help: "Deltas that did not follow the last one, or were corrupt.",
      labelNames,
    });
    this.#rows = context.telemetry.gauge("cairn_replica_rows", {
      help: "Rows served.",
      labelNames,
    });
    this.#leftOut = context.telemetry.counter("cairn_replica_rows_left_out_total", {
      help: "New rows left out because the replica is at its memory limit.",
      labelNames,
    });
    const { rowFeed } = options;
    if (rowFeed === undefined) return;
    const started = { kind: "servingStarted", part: context.self.address } as const;
    context.actorRef<RowFeedMessage>(rowFeed).tell(started);
  }

  receive(message: ServingReplicaMessage): void {
    switch (message.kind) {
      case "lookup":
        return this.#lookup(message);
      case "applyDelta":
        return this.#applyDelta(message);
      case "loadRows":
        return this.#loadRows(message);
      case "setMark":
        this.#learnedThroughMs = message.learnedThroughMs;
        return this.#context.reply(message, undefined);
      case "getStatistics": {
        const { rows, bytes } = this.#tables.statistics();
        return this.#context.reply(message, {
          shard: this.#options.shard,
          rows,
          rowsLeftOut: this.#tables.rowsLeftOut,
          bytes,
          position: this.#position,
        });
      }
      case "getPosition":
        return this.#context.reply(message, {
          position: this.#position,
          ...(this.#lacksRows && { lacksRows: true }),
        });
      default:
        message satisfies never;
    }
  }

  #lookup(message: ReplicaLookup): void {
    if (this.#position === undefined) {
      return this.#context.replyError(message, new ReplicaNotCurrentError(this.#options.shard));
    }
    const misfit = this.#tables.misfitOfIds(message);
    if (misfit !== undefined) return this.#context.replyError(message, misfit);
    const missingBefore = this.#tables.missing;
    const { rows, found } = this.#tables.lookup(message, message.spare);
    this.#missing.add(this.#tables.missing - missingBefore, this.#labels);
    this.#lookups.add(message.ids.length, this.#labels);
    const answer = { rows, found, learnedThroughMs: this.#learnedThroughMs };
    this.#context.reply(message, answer, [rows.buffer, found.buffer]);
  }

  #applyDelta(message: ApplyDelta): void {
    const { delta } = message;
    const answer = (status: "applied" | "duplicate" | "gap" | "corrupt") => {
      if (status === "gap" || status === "corrupt") this.#refused.add(1, this.#labels);
      this.#context.reply(message, { status });
    };
    const { lineage, sequence } = delta;
    if (this.#filling || this.#position?.lineage !== lineage) return answer("gap");
    if (sequence <= this.#position.sequence) return answer("duplicate");
    if (sequence !== this.#position.sequence + 1) return answer("gap");
    for (const [rowClass, changes] of delta.classes.entries()) {
      if (changes === undefined) continue;
      const { ids, rows, tombstones, checksum } = changes;
      const isWhole = this.#kernel.crc32c(ids, rows, tombstones) === checksum;
      const misfit = this.#tables.misfitOfRows(rowClass, ids, rows);
      if (!isWhole || misfit !== undefined) return answer("corrupt");
    }
    delta.classes.forEach((changes, rowClass) => {
      if (changes === undefined) return;
      // First the tombstones, so that at the memory limit evicted rows make room for new ones.
      this.#tables.remove(rowClass, changes.tombstones);
      this.#upsert(rowClass, changes.ids, changes.rows);
    });
    this.#position = { lineage, sequence };
    this.#rows.set(this.#tables.statistics().rows, this.#labels);
    answer("applied");
  }

  #loadRows(message: LoadRows): void {
    const misfit = this.#tables.misfitOfRows(message.class, message.ids, message.rows);
    if (misfit !== undefined) return this.#context.replyError(message, misfit);
    if (message.first) {
      this.#tables.beginFill();
      this.#filling = true;
    } else if (!this.#filling) {
      return this.#context.replyError(message, new FillLostError(this.#options.shard));
    }
    this.#upsert(message.class, message.ids, message.rows);
    if (message.position !== undefined) {
      this.#tables.endFill();
      this.#rows.set(this.#tables.statistics().rows, this.#labels);
      this.#position = message.position;
      this.#lacksRows = message.lacksRows === true;
      this.#filling = false;
    }
    this.#context.reply(message, undefined);
  }

  /** Writes rows. At the memory limit new rows count as absent: their lookups give zeros. */
  #upsert(rowClass: number, ids: FeatureIds, rows: ServedWeights): void {
    const before = this.#tables.rowsLeftOut;
    const leftOut = this.#tables.upsert(rowClass, ids, rows);
    if (leftOut === 0) return;
    this.#leftOut.add(leftOut, this.#labels);
    if (before > 0) return;
    this.#context.telemetry.log("warn", "serving replica is at its memory limit", {
      shard: this.#options.shard,
      bytesMax: this.#options.bytesMax,
      remedy: "new rows are left out until others expire; raise embeddings.serving.bytesMax",
    });
  }
}
