/**
 * Without faults, a decided example is learned and served within a bound that follows from the
 * configuration.
 *
 *     ∀ chunk that is durable at t, where no fault struck until then or since FAULT_FREE_MS:
 *         all replicas of some host have marks ≥ its acceptedAtMs before turn + bound, for 99 %
 *     turn = t, or the turn of its trainer's chunk before + step, where that is later;
 *         when n chunks of a trainer are not served, the next turn is at most n · step from then
 *     step = LEARN_TRIPS · link
 *     bound = 2 · rowsInterval + linger + trips · link + SYNCS · sync + STEP_MS · partitions
 *             + again
 *     trips = ROUND_TRIPS, and there and back for every rowsMax of ROWS_CHANGED_MAX rows
 *     partitions = partitions of the example log that one trainer reads
 *     again = REFUSED_MS where the queues of shards are narrow, which refuse marks, and 0 elsewhere
 *
 *     ∀ runs without faults: the same before t + half, for half of the chunks that came at a quiet
 *         moment: every chunk before was served
 *     half = rowsInterval + HALF_TRIPS · link + HALF_SYNCS · sync + HALF_STEP_MS · partitions
 *
 * A trainer learns one chunk after the other. Over slow links, small chunks may be decided faster
 * than that; the turn leaves out the wait for earlier ones. The bound has room for a second, in
 * which a part finds news that it was not told of. `half` has not: it shows where a part never
 * tells its news.
 *
 * An example is not measured if its mark was served before t: several chunks may have one mark, and
 * a feed does not repeat a mark promptly.
 */
import type { TrainerOptions } from "../../actors/trainer/options.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";
import { ReplicaMarks } from "./replica_marks.ts";

/** Messages there and back between a chunk and its freshness: read, lookup, gradients, sync. */
const ROUND_TRIPS = 40;
const SYNCS = 10;
/** Mean latencies of a link in a trainer's step: two asks, each of which the slowest shard ends. */
const LEARN_TRIPS = 8;
/** A partition may wait for another one, and a part for news that it was not told of, ms. */
const STEP_MS = 1_000;
/** A mark that a full queue refuses comes again after a second, and twice in a row at most, ms. */
const REFUSED_MS = 2_000;
/** A start, and a restart of every part after a fault, ms. */
const FAULT_FREE_MS = 30_000;
const QUANTILE = 0.99;
/** The same where no chunk waits for another one. */
const HALF_TRIPS = 10;
const HALF_SYNCS = 5;
const HALF_STEP_MS = 100;
/** Fewer chunks have no median. */
const HALF_OF_MIN = 10;
const TRAINER = "trainer/";
/** Rows of a class and shard that change between two rounds at most, by the workloads here. */
const ROWS_CHANGED_MAX = 64;

/** The mean latencies of a run. */
export interface RunLatencies {
  readonly linkMs: number;
  readonly syncMs: number;
}

export interface PromptFreshnessParts {
  readonly latencies: RunLatencies;
  /** Whether mailboxes are smaller than in production. */
  readonly isNarrow: boolean;
}

interface Decided {
  readonly acceptedAtMs: number;
  readonly decidedMs: number;
  readonly trainer: Address | undefined;
  /** When its trainer has learned the chunks before at the latest. */
  readonly turnMs: number;
  /** Whether no other chunk waited. */
  readonly isQuiet: boolean;
}

/** @param configuration At the first start. */
export function promptFreshness(
  { sync, rowFeed, joiner, partitions, trainerCount }: CairnConfiguration,
  { latencies: { linkMs, syncMs }, isNarrow }: PromptFreshnessParts,
): CheckerFactory {
  const trips = ROUND_TRIPS + 2 * ROWS_CHANGED_MAX / rowFeed.rowsMax;
  const messagesMs = 2 * sync.rowsIntervalMs + joiner.lingerMs + trips * linkMs + SYNCS * syncMs +
    (isNarrow ? REFUSED_MS : 0);
  const stepMs = LEARN_TRIPS * linkMs;
  const halfMessagesMs = sync.rowsIntervalMs + HALF_TRIPS * linkMs + HALF_SYNCS * syncMs;
  return (context) => {
    /** The fewest trainers of the run, each of which had the most partitions. */
    let trainers = trainerCount;
    /** The most partitions of the example log that were not ended at a time. */
    let { examples } = partitions;
    let calmFromMs = 0;
    let hadFault = false;
    const marks = new ReplicaMarks(() => context.nowMs());
    let toldMs = 0;
    let waiting: Decided[] = [];
    /** By partition. */
    const trainerOf = new Map<number, Address>();
    /** The end of each trainer's work at the latest; undefined is a trainer before its start. */
    const busyUntilMs = new Map<Address | undefined, number>();
    /** From the turn of each chunk. */
    const tookMs: number[] = [];
    /** From the append of each chunk that came at a quiet moment. */
    const quietTookMs: number[] = [];

    /** Adds a chunk to its trainer's work; returns its turn. */
    const takeTurn = (trainer: Address | undefined, decidedMs: number) => {
      const turnMs = Math.max(decidedMs, busyUntilMs.get(trainer) ?? 0);
      busyUntilMs.set(trainer, turnMs + stepMs);
      return turnMs;
    };

    /** Leaves of each trainer's work the chunks that wait: it may be faster than it needs to be. */
    const endWork = () => {
      for (const [trainer, untilMs] of busyUntilMs) {
        const left = waiting.filter((chunk) => chunk.trainer === trainer).length;
        busyUntilMs.set(trainer, Math.min(untilMs, context.nowMs() + left * stepMs));
      }
    };

    return {
      name: "prompt-freshness",
      fault(fault) {
        if (fault.kind === "reshardMesh" && fault.parts === "trainers") {
          trainers = Math.min(trainers, fault.to);
        }
        if (fault.kind === "reshardMesh" && fault.parts === "partitions") {
          const most = Math.max(trainerCount, fault.trainers ?? 0);
          examples = Math.max(examples, fault.to * Math.ceil(most / fault.to));
          trainers = Math.min(trainers, fault.trainers ?? trainers);
        }
        hadFault = true;
        calmFromMs = context.nowMs() + FAULT_FREE_MS;
        waiting = [];
        busyUntilMs.clear();
      },
      durable(log, partition, records) {
        const decidedMs = context.nowMs();
        if (log !== "examples" || decidedMs < calmFromMs) return;
        const trainer = trainerOf.get(partition);
        for (const { acceptedAtMs, rows } of decodedChunks(records)) {
          if (rows === 0 || acceptedAtMs <= toldMs) continue;
          const turnMs = takeTurn(trainer, decidedMs);
          waiting.push({ acceptedAtMs, decidedMs, trainer, turnMs, isQuiet: waiting.length === 0 });
        }
      },
      began(actor, _host, options) {
        marks.began(actor);
        if (!actor.startsWith(TRAINER)) return;
        for (const partition of (options as TrainerOptions).partitions) {
          trainerOf.set(partition, actor);
        }
      },
      answers(actor, request) {
        if (!marks.answers(actor, request)) return;
        toldMs = marks.ofHost(actor);
        waiting = waiting.filter(({ acceptedAtMs, decidedMs, turnMs, isQuiet }) => {
          if (acceptedAtMs > toldMs) return true;
          const nowMs = context.nowMs();
          tookMs.push(nowMs - turnMs);
          if (isQuiet) quietTookMs.push(nowMs - decidedMs);
          return false;
        });
        endWork();
      },
      atEnd() {
        const steps = Math.ceil(examples / trainers);
        const expect = (which: string, ms: number, boundMs: number) => {
          if (ms <= boundMs) return;
          const took = `${which} took ${ms.toFixed(0)} ms or more to be served`;
          context.fail(`${took}; the bound is ${boundMs.toFixed(0)} ms`);
        };
        expect("1 of 100 examples", quantileOf(tookMs, QUANTILE), messagesMs + STEP_MS * steps);
        if (hadFault || quietTookMs.length < HALF_OF_MIN) return;
        const halfMs = quantileOf(quietTookMs, 0.5);
        expect("half of the examples", halfMs, halfMessagesMs + HALF_STEP_MS * steps);
      },
    };
  };
}

function quantileOf(values: readonly number[], quantile: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(quantile * values.length)] ?? 0;
}
