/**
 * A serving replica's behaviour: one shard's weights for reading, kept up by numbered deltas. It never guesses: a
 * delta that does not follow the last one is refused, and parameter sync sends what is missing. One that had all rows
 * goes on serving them while they are sent anew.
 */
import type { ActorContext, Behavior } from "../../mesh/runtime/actor.ts";
import type { Counter, Gauge } from "../../mesh/ports/telemetry.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { ClassServingTables } from "../../kernels/embedding/class_serving_tables.ts";
import type { ServingReplicaOptions } from "./options.ts";
import {
  type ApplyDelta,
  CatchUpLostError,
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
  #sequence = 0;
  /** Between the first and the last page of a catch-up deltas do not fit. */
  #loading = false;
  /** It has all rows of some moment: up to its sequence, or, during catch-up, some of them newer. */
  #current = false;
  readonly #labels: { readonly shard: string };
  readonly #lookups: Counter;
  readonly #refused: Counter;
  readonly #rows: Gauge;

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
    this.#refused = context.telemetry.counter("cairn_replica_deltas_refused_total", {
      help: "Deltas that did not follow the last one, or were damaged.",
      labelNames,
    });
    this.#rows = context.telemetry.gauge("cairn_replica_rows", {
      help: "Rows served.",
      labelNames,
    });
  }

  receive(message: ServingReplicaMessage): void {
    switch (message.kind) {
      case "lookup":
        return this.#lookup(message);
      case "applyDelta":
        return this.#applyDelta(message);
      case "loadRows":
        return this.#loadRows(message);
      case "getStatistics": {
        const { rows, bytes } = this.#tables.statistics();
        return this.#context.reply(message, {
          shard: this.#options.shard,
          rows,
          bytes,
          sequence: this.#sequence,
          current: this.#current,
        });
      }
      case "confirm":
        if (!this.#loading && message.sequence === this.#sequence) this.#current = true;
        return this.#context.reply(message, { sequence: this.#sequence });
      default:
        message satisfies never;
    }
  }

  #lookup(message: ReplicaLookup): void {
    if (!this.#current) {
      return this.#context.replyError(message, new ReplicaNotCurrentError(this.#options.shard));
    }
    const { rows, found } = this.#tables.lookup(message, message.spare);
    this.#lookups.add(message.ids.length, this.#labels);
    this.#context.reply(message, { rows, found }, [rows.buffer, found.buffer]);
  }

  #applyDelta(message: ApplyDelta): void {
    const { delta } = message;
    const answer = (status: "applied" | "duplicate" | "gap" | "corrupt") => {
      if (status === "gap" || status === "corrupt") this.#refused.add(1, this.#labels);
      this.#context.reply(message, { sequence: this.#sequence, status });
    };
    if (!this.#loading && delta.sequence <= this.#sequence) return answer("duplicate");
    if (this.#loading || delta.sequence !== this.#sequence + 1) return answer("gap");
    for (const changes of delta.classes) {
      if (changes === undefined) continue;
      const { ids, rows, tombstones, checksum } = changes;
      if (this.#kernel.crc32c(ids, rows, tombstones) !== checksum) return answer("corrupt");
    }
    delta.classes.forEach((changes, number) => {
      if (changes === undefined) return;
      this.#tables.upsert(number, changes.ids, changes.rows);
      this.#tables.remove(number, changes.tombstones);
    });
    this.#sequence = delta.sequence;
    this.#current = true;
    this.#rows.set(this.#tables.statistics().rows, this.#labels);
    answer("applied");
  }

  #loadRows(message: LoadRows): void {
    if (message.first) {
      this.#tables.beginFill();
      this.#loading = true;
    } else if (!this.#loading) {
      // It restarted since the first page, and the rows before this one are gone.
      return this.#context.replyError(message, new CatchUpLostError(this.#options.shard));
    }
    this.#tables.upsert(message.class, message.ids, message.rows);
    if (message.sequence !== undefined) {
      this.#tables.endFill();
      this.#rows.set(this.#tables.statistics().rows, this.#labels);
      this.#sequence = message.sequence;
      this.#loading = false;
      this.#current = true;
    }
    this.#context.reply(message, undefined);
  }
}
