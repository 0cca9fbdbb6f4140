/**
 * The scorer's side of the serving replicas: asks one replica of each shard, and the next one when
 * it fails.
 *
 * A ranking never waits for rows longer than its lookup's budget, which all replicas of a shard
 * share. Where none of them answers in time, the shard's ids count as absent. A scorer that begins
 * waits for a replica of each shard, and not for those of hosts that are away.
 */
import type { ActorRef, Address, AskOptions } from "../../mesh/runtime/actor.ts";
import { areAborted } from "../../mesh/runtime/cancel_signal.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import type { ServedRows } from "../../kernels/embedding/serving_table.ts";
import {
  type ClassIds,
  floatsOf,
  type RowClass,
  widthOf,
} from "../../kernels/embedding/row_classes.ts";
import { ShardFanOut } from "../../kernels/embedding/shard_fan_out.ts";
import type { Recycled } from "../../structures/buffer_pool.ts";
import {
  type LookedUpRows,
  type ReplicaLookup,
  ReplicaNotCurrentError,
  type ServingReplicaMessage,
} from "../serving_replica/protocol.ts";

/** Time for which a replica that failed comes behind the others of its shard, ms. */
const PASSED_OVER_MS = 1_000;
/** Age of a mark that a probe asks for again, ms. */
const MARK_MS_MAX = 1_000;

/** The result of a lookup; valid until the next one. */
export interface FoundRows {
  /** By shard that owns ids: for n ids of a class `[n, width]`, one class after another. */
  readonly rows: readonly Float32Array<ArrayBuffer>[];
  /** 1 where the id has a row, `[unique]`. */
  readonly found: Uint8Array<ArrayBuffer>;
  /** Shards of which no replica answered: their rows are zeros, and not found. */
  readonly shardsAway: number;
  /**
   * The rows reflect all events accepted up to this time, ms since the Unix epoch: the lowest mark
   * of the replicas that answered, 0 where one has none or a shard is away.
   */
  readonly learnedThroughMs: number;
}

export interface ReplicaClientOptions {
  /** The scorer that asks. */
  readonly scorer: Address;
  /** By shard, in the order in which they are asked. */
  readonly replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[];
  readonly classes: readonly Pick<RowClass, "slices">[];
  readonly clock: Clock;
}

interface Replica {
  readonly ref: ActorRef<ServingReplicaMessage>;
  /** It is on the scorer's host. Between hosts the memory of an answer would be sent, not moved. */
  readonly isHere: boolean;
  /** When it last failed, monotonic ms; -1 since it answered. */
  failedAtMs: number;
}

/** A shard's replicas, and the memory that its lookups reuse, so that they leave no garbage. */
interface Shard {
  readonly replicas: readonly Replica[];
  /**
   * Lookups fail where no replica answers: none has answered since the scorer began, and one is on
   * this host or is being filled.
   */
  isAwaited: boolean;
  /** No replica has answered the last ask. */
  isAway: boolean;
  /** When a replica answered last, monotonic ms. */
  answeredAtMs: number;
  /** The mark of the last answer, ms; undefined where its replica had none. */
  learnedThroughMs: number | undefined;
  /** The requested ids. A replica that timed out may still read them; its answer is ignored. */
  ids: BigUint64Array<ArrayBuffer>;
  /** The last answer, into which the next one is written. */
  spare: Recycled<ServedRows>;
}

type LookupMemory = ClassIds & Pick<ReplicaLookup, "starts" | "spare">;

export class ReplicaClient {
  readonly #shards: readonly Shard[];
  readonly #widths: readonly number[];
  readonly #clock: Clock;
  readonly #fanOut: ShardFanOut;
  #found = new Uint8Array(0);

  constructor({ scorer, replicas, classes, clock }: ReplicaClientOptions) {
    this.#shards = replicas.map((refs) => ({
      replicas: refs.map((ref) => ({
        ref,
        isHere: isOnHostOf(scorer, ref.address),
        failedAtMs: -1,
      })),
      isAwaited: true,
      isAway: false,
      answeredAtMs: -Infinity,
      learnedThroughMs: undefined,
      ids: new BigUint64Array(0),
      spare: undefined,
    }));
    this.#widths = classes.map(widthOf);
    this.#clock = clock;
    this.#fanOut = new ShardFanOut(replicas.length, classes.length);
  }

  /**
   * Whether lookups go on without shards that are away: each shard has answered once, or was away
   * and has its replicas on other hosts.
   */
  get canLookUp(): boolean {
    return this.#shards.every(({ isAwaited }) => !isAwaited);
  }

  get shards(): number {
    return this.#shards.length;
  }

  /** The highest mark of the last answers, ms; 0 where none had one. */
  get newestMarkMs(): number {
    return Math.max(...this.#shards.map(({ learnedThroughMs = 0 }) => learnedThroughMs));
  }

  /** Whether the last answer of every shard that is not away had this mark or a later one, ms. */
  know(markMs: number): boolean {
    return this.#shards.every(({ isAway, learnedThroughMs = -1 }) =>
      isAway || learnedThroughMs >= markMs
    );
  }

  /** The lowest mark of the last answers of all shards, ms; 0 where a shard is away. */
  get learnedThroughMs(): number {
    return Math.min(...this.#shards.map(markOf));
  }

  /** Shards of which no replica answered the last lookup or probe. */
  get shardsAway(): number {
    return this.#shards.reduce((away, { isAway }) => away + Number(isAway), 0);
  }

  /** Share of the shards of which a replica answered the last lookup or probe. */
  get shareAnswering(): number {
    const answer = this.#shards.filter((shard) => !shard.isAway && hasAnswered(shard));
    return answer.length / this.#shards.length;
  }

  /** Whether a replica of each shard has answered since the scorer began. */
  get haveAnswered(): boolean {
    return this.#shards.every(hasAnswered);
  }

  /**
   * Rows of distinct ids that are grouped by shard and class.
   *
   * @throws {Error} When no replica answers in time of a shard that lookups wait for: the last
   * replica's error.
   * @throws {AskCancelledError} The signals of `options` are aborted.
   */
  async lookup(
    { uniqueIds, groupStarts }: Pick<UniqueIds, "uniqueIds" | "groupStarts">,
    options: AskOptions,
  ): Promise<FoundRows> {
    const unique = uniqueIds.length;
    if (this.#found.length < unique) this.#found = new Uint8Array(2 * unique);
    const found = this.#found.subarray(0, unique);
    let shardsAway = 0;
    let learnedThroughMs = Infinity;
    const rows = await this.#fanOut.ask(groupStarts, async (range) => {
      const { from, to, starts } = range;
      const shard = this.#shards[range.shard];
      const count = to - from;
      if (shard.ids.length < count) shard.ids = new BigUint64Array(2 * count);
      const ids = shard.ids.subarray(0, count);
      ids.set(uniqueIds.subarray(from, to));
      try {
        const { spare } = shard;
        shard.spare = undefined;
        const answer = await this.#ask(shard, { ids, starts, spare }, options);
        shard.spare = answer;
        found.set(answer.found, from);
        learnedThroughMs = Math.min(learnedThroughMs, answer.learnedThroughMs ?? 0);
        return answer.rows;
      } catch (error) {
        if (shard.isAwaited || areAborted(options.signals)) throw error;
        shardsAway++;
        found.fill(0, from, to);
        return this.#zeros(starts);
      }
    });
    if (shardsAway > 0) learnedThroughMs = 0; // their rows may be those of the newest events
    if (learnedThroughMs === Infinity) ({ learnedThroughMs } = this); // there were no ids
    return { rows, found, shardsAway, learnedThroughMs };
  }

  #zeros(starts: Uint32Array): Float32Array<ArrayBuffer> {
    const floats = this.#widths.map((width, rowClass) =>
      width * (starts[rowClass + 1] - starts[rowClass])
    );
    return new Float32Array(floats.reduce((sum, each) => sum + each, 0));
  }

  /** Asks the shards without an answer in the last second, without ids; also during a lookup. */
  async probe(budgetMs: number): Promise<void> {
    const sinceMs = this.#clock.monotonicMs() - MARK_MS_MAX;
    const asked = this.#shards.filter(({ isAway, answeredAtMs }) =>
      isAway || answeredAtMs <= sinceMs
    );
    const nothing = {
      ids: new BigUint64Array(0),
      starts: new Uint32Array(this.#widths.length + 1),
      spare: undefined,
    };
    await Promise.allSettled(asked.map((shard) => this.#ask(shard, nothing, { budgetMs })));
  }

  /**
   * Each replica but the last gets half of the time that is left, and the first one the memory, if
   * it is here.
   */
  async #ask(
    shard: Shard,
    { ids, starts, spare: last }: LookupMemory,
    { budgetMs, ...options }: AskOptions,
  ): Promise<LookedUpRows> {
    const deadlineMs = this.#clock.monotonicMs() + budgetMs;
    const order = this.#orderOf(shard);
    let isFilling = false;
    for (let i = 0;; i++) {
      const leftMs = Math.max(0, deadlineMs - this.#clock.monotonicMs());
      const isLast = i === order.length - 1 || leftMs === 0;
      const replica = order[i];
      const spare = i === 0 && replica.isHere ? last : undefined;
      const transfer = spare && [spare.rows.buffer, spare.found.buffer];
      try {
        const answer = await replica.ref.ask({ kind: "lookup", ids, starts, spare }, {
          ...options,
          budgetMs: isLast ? leftMs : leftMs / 2,
          ...(transfer && { transfer }),
        });
        this.#requireFitting(answer, { ids, starts }, replica);
        replica.failedAtMs = -1;
        shard.isAwaited = shard.isAway = false;
        shard.answeredAtMs = this.#clock.monotonicMs();
        shard.learnedThroughMs = answer.learnedThroughMs;
        return answer;
      } catch (error) {
        if (areAborted(options.signals)) throw error; // says nothing about the replica
        replica.failedAtMs = this.#clock.monotonicMs();
        isFilling ||= (error as Error).name === ReplicaNotCurrentError.name;
        if (!isLast) continue;
        shard.isAway = true;
        if (!isFilling && !order.some(({ isHere }) => isHere)) shard.isAwaited = false;
        throw error;
      }
    }
  }

  /** @throws {RangeError} The answer has another number of rows than ids were looked up. */
  #requireFitting({ rows, found }: ServedRows, { ids, starts }: ClassIds, { ref }: Replica): void {
    const floats = floatsOf(starts, this.#widths);
    if (rows.length === floats && found.length === ids.length) return;
    throw new RangeError(
      `${ref.address} answered a lookup of ${ids.length} ids with ${rows.length} floats of ` +
        `${found.length} ids, not ${floats}`,
    );
  }

  /** The replicas of a shard, those that failed a moment ago last. */
  #orderOf({ replicas }: Shard): readonly Replica[] {
    const sinceMs = this.#clock.monotonicMs() - PASSED_OVER_MS;
    if (replicas[0].failedAtMs <= sinceMs || replicas[0].failedAtMs < 0) return replicas;
    const passedOver = ({ failedAtMs }: Replica) => failedAtMs > sinceMs ? failedAtMs : -1;
    return replicas.toSorted((a, b) => passedOver(a) - passedOver(b));
  }
}

/**
 * Whether both are in one process, whose replicas name no host, or on one host, as `scorer/edge`
 * and `serving_replica/3@edge`.
 */
function isOnHostOf(scorer: Address, replica: Address): boolean {
  const host = replica.split("@")[1];
  return host === undefined || scorer === `scorer/${host}`;
}

function hasAnswered({ answeredAtMs }: Shard): boolean {
  return answeredAtMs > -Infinity;
}

function markOf({ isAway, learnedThroughMs = 0 }: Shard): number {
  return isAway ? 0 : learnedThroughMs;
}
