/**
 * Every example is learned exactly once by each shard that owns one of its ids.
 *
 *     ∀ shard incarnation, source:  applied sequences ascend
 *     ∀ applied gradients (m, s]:   their ids, with multiplicity, are those ids of the rows
 *                                   m … s-1 of the source's partition that the shard owns;
 *                                   rows whose labels no model can learn, and rows that an operator
 *                                   has given up, may be left out
 *     ∀ cut of a snapshot:          each shard stands at the sequence that the cut names
 *
 * m is the sequence applied before, or the mark with which the incarnation began. A shard therefore
 * neither skips rows nor sees them twice, whatever was sent again or replayed. An incarnation goes
 * with the shard when it moves to another host, and so do its marks.
 *
 * A fail-over of Redis loses rows that trainers have read and that shards may still apply, until
 * the operator restarts the mesh. As long as a process that ran at the loss is alive, the rows of
 * the log before the loss count as well as those after it. A trainer of a later process applies
 * nothing to a shard that has learned lost rows: the shard would take new ones for them.
 */
import type {
  ApplyGradients,
  BeginSnapshot,
  EmbeddingShardMessage,
  RemoveRows,
} from "../../actors/embedding_shard/protocol.ts";
import type { EmbeddingShardOptions } from "../../actors/embedding_shard/options.ts";
import type { TrainerOptions } from "../../actors/trainer/options.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { Address, Message } from "../../mesh/runtime/actor.ts";
import { shardAt } from "../../server/addresses.ts";
import { present } from "../../structures/invariant.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";
import { idsOfRows, refusableRows } from "./example_rows.ts";
import { gradientSource } from "../../records/gradient_source.ts";

const SHARD = "embedding_shard/";

export function exactlyOnce(context: CheckerContext): Checker {
  return new ExactlyOnce(context);
}

class ExactlyOnce implements Checker {
  readonly name = "exactly-once";
  readonly #context: CheckerContext;
  readonly #kernel = BatchKernel.create();
  readonly #rows = new Map<string, LoggedRow[]>();
  /** Sources before a fail-over of Redis, of which processes that are alive may have read. */
  readonly #lost: LostTail[] = [];
  /** Hosts whose process is alive, in a mesh of several. */
  readonly #alive = new Set<string>();
  /** Row before which the operator has given rows up, by source. */
  readonly #givenUp = new Map<string, number>();
  /** First row of each chunk, by source. */
  readonly #firstRows = new Map<string, number[]>();
  /** Sequence that the shard stands at, by its incarnation and source. */
  readonly #at = new Map<string, number>();
  /** Sources of which an incarnation of a shard has learned rows that the log has lost. */
  readonly #ofLostRows = new Set<string>();
  /** Sources whose trainer runs in a process that began after the loss. */
  readonly #begunSince = new Set<string>();
  /** Number of the shards among which ids are divided, by the actor of one of them. */
  readonly #shards = new Map<string, number>();
  /** The shard of an id, by number of shards and id. */
  readonly #owners = new Map<number, Map<bigint, number>>();

  constructor(context: CheckerContext) {
    this.#context = context;
  }

  processBegan(host?: string): void {
    if (host !== undefined) this.#alive.add(host);
  }

  processDied(host?: string): void {
    if (host === undefined) return;
    this.#alive.delete(host);
    for (const [i, { readers }] of [...this.#lost.entries()].reverse()) {
      readers.delete(host);
      if (readers.size === 0) this.#lost.splice(i, 1);
    }
  }

  began(actor: Address, host?: string, options?: unknown): void {
    if (actor.startsWith("trainer/")) {
      for (const partition of (options as TrainerOptions).partitions) {
        const source = gradientSource(partition);
        const isOld = host !== undefined &&
          this.#lost.some((tail) => tail.source === source && tail.readers.has(host));
        if (isOld) this.#begunSince.delete(source);
        else this.#begunSince.add(source);
      }
    }
    if (!actor.startsWith(SHARD)) return;
    this.#shards.set(actor, (options as EmbeddingShardOptions).shards);
  }

  durable(log: string, partition: number, records: readonly Uint8Array[]): void {
    if (log !== "examples") return;
    const source = gradientSource(partition);
    const rows = this.#rows.get(source) ?? [];
    const firstRows = this.#firstRows.get(source) ?? [];
    this.#rows.set(source, rows);
    this.#firstRows.set(source, firstRows);
    for (const chunk of decodedChunks(records)) {
      firstRows.push(rows.length);
      const refusable = refusableRows(chunk);
      rows.push(...idsOfRows(chunk).map((ids, row) => ({ ids, isRefusable: refusable[row] })));
      // Its number has no examples.
      if (chunk.forget !== undefined) rows.push({ ids: new BigUint64Array(), isRefusable: false });
    }
  }

  tailLost(log: string, partition: number, endOffset: number): void {
    if (log !== "examples") return;
    const source = gradientSource(partition);
    const [firstLost] = this.#firstRows.get(source)?.splice(endOffset) ?? [];
    if (firstLost === undefined) return;
    const rows = present(this.#rows.get(source), "a source with chunks has rows");
    this.#lost.push({ source, rows: [...rows], readers: new Set(this.#alive) });
    rows.splice(firstLost);
    this.#begunSince.delete(source);
    for (const [key, at] of this.#at) {
      if (key.endsWith(` ${source}`) && at > firstLost) this.#ofLostRows.add(key);
    }
  }

  examplesGivenUp(partition: number, row: number): void {
    this.#givenUp.set(gradientSource(partition), row);
  }

  answers(actor: Address, request: Message, value: unknown): void {
    if (!actor.startsWith(SHARD)) return;
    const message = request as EmbeddingShardMessage;
    const mark = markOf(message, value);
    if (mark !== undefined) return this.#opened(actor, mark);
    if (message.kind === "beginSnapshot") this.#cut(actor, message);
    if (message.kind === "removeRows") {
      if ((value as { readonly applied: boolean }).applied && message.isLast) {
        this.#removed(actor, message);
      }
      return;
    }
    if (message.kind !== "applyGradients") return;
    if ((value as { readonly applied: boolean }).applied) this.#applied(actor, message);
  }

  #opened(actor: Address, { incarnation, source, sequence }: Mark): void {
    const key = `${incarnation} ${source}`;
    const at = this.#at.get(key) ?? sequence;
    this.#at.set(key, at);
    // A cut raises the mark over rows that have none of the shard's ids.
    if (sequence >= at && this.#owesNone(actor, { source, from: at, to: sequence })) return;
    this.#context.fail(
      `${actor} says that it stands at row ${sequence} of ${source}, and it has applied ${at}`,
    );
  }

  #cut(actor: Address, { snapshot, marks }: BeginSnapshot): void {
    for (const { source, sequence, opening } of marks) {
      const at = this.#at.get(`${opening.incarnation} ${source}`) ?? 0;
      if (at <= sequence && this.#owesNone(actor, { source, from: at, to: sequence })) continue;
      this.#context.fail(
        `${snapshot} cuts ${source} at row ${sequence}, and ${actor} stands at row ${at}`,
      );
    }
  }

  #removed(actor: Address, { source, sequence, opening }: RemoveRows): void {
    const key = `${opening.incarnation} ${source}`;
    const at = this.#at.get(key) ?? 0;
    if (sequence <= at || !this.#owesNone(actor, { source, from: at, to: sequence })) {
      this.#context.fail(
        `${actor} removed rows at row ${sequence} of ${source}, and stood at row ${at}`,
      );
    }
    this.#at.set(key, sequence);
  }

  #applied(actor: Address, { source, sequence, ids, counts, opening }: ApplyGradients): void {
    const key = `${opening.incarnation} ${source}`;
    const at = this.#at.get(key) ?? 0;
    if (sequence <= at) {
      this.#context.fail(
        `${actor} applied ${source} up to row ${sequence}, after it had applied up to row ${at}`,
      );
      return;
    }
    this.#at.set(key, sequence);
    if (this.#ofLostRows.has(key) && this.#begunSince.has(source)) {
      this.#context.fail(`${actor} learns on although ${source} has lost rows that it has learned`);
    }
    const applied = { ids, counts };
    const [difference, ...ofLost] = this.#owed(actor, { source, from: at, to: sequence })
      .map((owed) => differenceOf(applied, owed));
    if (difference === undefined || ofLost.includes(undefined)) return;
    this.#context.fail(`${actor} applied rows ${at} to ${sequence} of ${source} ${difference}`);
  }

  /** Whether none of the rows has an id of the shard. */
  #owesNone(actor: Address, rows: RowRange): boolean {
    return this.#owed(actor, rows).some(({ least }) => least.size === 0);
  }

  /**
   * Occurrences of the shard's ids in rows of a source, as the log is now, then as it was before
   * each fail-over that a reader has not got over.
   */
  #owed(actor: Address, { source, from, to }: RowRange): Owed[] {
    const shard = shardAt(actor);
    const shards = present(this.#shards.get(actor), "a shard begins before it answers");
    const givenUp = this.#givenUp.get(source) ?? 0;
    const before = this.#lost.filter((tail) => tail.source === source).map(({ rows }) => rows);
    return [this.#rows.get(source) ?? [], ...before].map((rows) => {
      const least = new Map<bigint, number>();
      const refusable = new Map<bigint, number>();
      for (let row = from; row < Math.min(to, rows.length); row++) {
        const { ids, isRefusable } = rows[row];
        const owed = isRefusable || row < givenUp ? refusable : least;
        for (const id of ids) {
          if (this.#ownerOf(id, shards) === shard) owed.set(id, (owed.get(id) ?? 0) + 1);
        }
      }
      return { least, refusable };
    });
  }

  #ownerOf(id: bigint, shards: number): number {
    const owners = this.#owners.get(shards) ?? new Map<bigint, number>();
    this.#owners.set(shards, owners);
    let owner = owners.get(id);
    if (owner === undefined) {
      const { groupStarts } = this.#kernel.unique(BigUint64Array.of(id), shards);
      owner = groupStarts.findIndex((start) => start > 0) - 1;
      owners.set(id, owner);
    }
    return owner;
  }
}

/** A row of the example log. */
interface LoggedRow {
  readonly ids: BigUint64Array;
  /** Whether the training step may refuse it. */
  readonly isRefusable: boolean;
}

/** Occurrences of ids in rows. */
interface Owed {
  /** In rows that must be learned. */
  readonly least: ReadonlyMap<bigint, number>;
  /** In rows that may be left out. */
  readonly refusable: ReadonlyMap<bigint, number>;
}

/** A source as it was before a fail-over of Redis lost its last rows. */
interface LostTail {
  readonly source: string;
  readonly rows: readonly LoggedRow[];
  /** Hosts whose process ran at the loss and is alive. */
  readonly readers: Set<string>;
}

/** Rows `from` to `to` of a source. */
interface RowRange {
  readonly source: string;
  readonly from: number;
  readonly to: number;
}

/** How gradients differ from the ids that a shard is owed; undefined where they do not. */
function differenceOf(
  { ids, counts }: Pick<ApplyGradients, "ids" | "counts">,
  { least, refusable }: Owed,
): string | undefined {
  const lacking = new Set(least.keys());
  const named = new Set<bigint>();
  for (const [i, id] of ids.entries()) {
    const count = least.get(id) ?? 0;
    const isOutside = counts[i] < count || counts[i] > count + (refusable.get(id) ?? 0);
    if (isOutside || named.has(id)) {
      return `with ${counts[i]} occurrences of id ${id.toString(16)}; the log has ${count}`;
    }
    named.add(id);
    lacking.delete(id);
  }
  return lacking.size > 0 ? `without ${lacking.size} of their ids` : undefined;
}

/** The row at which a shard stands. */
interface Mark {
  readonly incarnation: string;
  readonly source: string;
  readonly sequence: number;
}

/** The mark in an answer that tells a trainer where the shard stands. */
function markOf(message: EmbeddingShardMessage, value: unknown): Mark | undefined {
  if (message.kind !== "openSource") return undefined;
  const { incarnation, sequence } = value as { incarnation: string; sequence: number };
  return { incarnation, source: message.source, sequence };
}
