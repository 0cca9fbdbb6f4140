/**
 * Without faults, a decided example is learned and served within a bound that follows from the
 * configuration.
 *
 *     ∀ chunk that is durable at t, where no fault struck until then or since FAULT_FREE_MS:
 *         all replicas of some host have marks ≥ its acceptedAtMs before t + bound, for 99 %
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
 * The bound has room for a second, in which a part finds news that it was not told of. `half` has
 * not: it shows where a part never tells its news.
 *
 * An example is not measured if its mark was served before t: several chunks may have one mark, and
 * a feed does not repeat a mark promptly.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";
import { ReplicaMarks } from "./replica_marks.ts";

/** Messages there and back between a chunk and its freshness: read, lookup, gradients, sync. */
const ROUND_TRIPS = 40;
const SYNCS = 10;
/** Several chunks of a partition may wait for their trainer, ms. */
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
    const tookMs: number[] = [];
    /** The same of chunks that came at a quiet moment. */
    const quietTookMs: number[] = [];
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
      },
      durable(log, _partition, records) {
        if (log !== "examples" || context.nowMs() < calmFromMs) return;
        for (const { acceptedAtMs, rows } of decodedChunks(records)) {
          if (rows === 0 || acceptedAtMs <= toldMs) continue;
          const isQuiet = waiting.length === 0;
          waiting.push({ acceptedAtMs, decidedMs: context.nowMs(), isQuiet });
        }
      },
      began: (actor) => marks.began(actor),
      answers(actor, request) {
        if (!marks.answers(actor, request)) return;
        toldMs = marks.ofHost(actor);
        waiting = waiting.filter(({ acceptedAtMs, decidedMs, isQuiet }) => {
          if (acceptedAtMs > toldMs) return true;
          const ms = context.nowMs() - decidedMs;
          tookMs.push(ms);
          if (isQuiet) quietTookMs.push(ms);
          return false;
        });
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
