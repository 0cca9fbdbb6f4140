/**
 * An action that the event log has before its ranking is learned as one behind it.
 *
 *     ∀ chunk of the example log, o = its replayOffset, ∀ ranking r of its partition before o:
 *         ∀ item i of r with an early action that the label rules take as positive:
 *             up to the chunk, the partition has an example of (r, i) with a positive label
 *
 * An action is early if its record lies before that of its ranking, with acceptance times of at
 * most WAIT_MS and fewer than WAITING_MAX actions in between. Others may stay unmatched, and so may
 * the early ones on an item with an action that is taken as negative. Which clocks the acceptance
 * times of an action and of its ranking are from does not matter.
 *
 * Every impression before `replayOffset` is decided, and its examples are in the log: that is the
 * meaning of a joiner's position. A ranking that was logged twice, or whose user is erased, may
 * give no examples. The promise ends where a fail-over of Redis loses records, and where the joiner
 * drops examples because the event log is nearly full. This file and the joiner have only the label
 * rules in common.
 */
import { type PartitionCounts, presentPartitioning } from "../../mesh/ports/partitioning.ts";
import { LabelRules } from "../../actors/joiner/label_rules.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import {
  type ActionRecord,
  eventPartition,
  type ImpressionRecord,
  readRows,
} from "../../records/event_record.ts";
import type { ExampleChunk } from "../../records/example_chunk.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { present } from "../../structures/invariant.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedChunks, decodedEvents } from "./decoded_records.ts";
import { digestOfIds, idDigestsOfRows } from "./example_rows.ts";

/** See `EarlyActions` in actors/joiner. */
const WAIT_MS = 10_000;
const WAITING_MAX = 64;

/** An action whose ranking the log did not have. */
interface WaitingAction {
  readonly record: ActionRecord;
  /** Number of the action in its partition of the event log. */
  readonly number: number;
}

/** An example that a chunk must have. */
interface Owed {
  readonly rankingId: string;
  readonly item: string;
  readonly user: string;
  /** Offset of the ranking. */
  readonly offset: number;
  /** Hash of the ranking, and a digest of the row's features. */
  readonly key: string;
}

/** A partition of the event log. */
interface Actions {
  count: number;
  /** Newest acceptance time, ms. */
  acceptedAtMs: number;
}

/**
 * @param configuration Its joiner must stay the same during the run.
 * @param world Has the partitionings, oldest first, where they may change.
 */
export function earlyActions(
  { joiner, partitions }: Pick<CairnConfiguration, "joiner" | "partitions">,
  world?: { readonly partitionings: readonly PartitionCounts[] },
): CheckerFactory {
  const partitionings = () => world?.partitionings ?? [partitions];
  return (context) => new EarlyActionsChecker(context, new LabelRules(joiner.tasks), partitionings);
}

class EarlyActionsChecker implements Checker {
  readonly name = "early-actions";
  readonly #context: CheckerContext;
  readonly #rules: LabelRules;
  readonly #partitionings: () => readonly PartitionCounts[];
  /** By partition of the event log. */
  readonly #actions = new Map<number, Actions>();
  /** Rankings that the log has. */
  readonly #rankings = new Set<string>();
  /** By ranking that the log does not have. */
  readonly #waiting = new Map<string, WaitingAction[]>();
  /** By partition of the example log. */
  readonly #owed = new Map<number, Owed[]>();
  /** By partition of the example log, the keys of its positive examples. */
  readonly #positives = new Map<number, Set<string>>();
  #gaveUp = false;

  constructor(
    context: CheckerContext,
    rules: LabelRules,
    partitionings: () => readonly PartitionCounts[],
  ) {
    this.#context = context;
    this.#rules = rules;
    this.#partitionings = partitionings;
  }

  durable(log: string, partition: number, records: readonly Uint8Array[], first: number): void {
    if (this.#gaveUp) return;
    if (log === "examples") {
      for (const chunk of decodedChunks(records)) this.#takeChunk(partition, chunk);
      return;
    }
    if (log !== "events") return;
    const actions = this.#actions.get(partition) ?? this.#nextActions();
    this.#actions.set(partition, actions);
    decodedEvents(records).forEach((record, i) => {
      if (record.kind === "action" || record.kind === "mark" || record.kind === "release") {
        actions.acceptedAtMs = Math.max(actions.acceptedAtMs, record.acceptedAtMs);
      }
      if (record.kind === "action") this.#takeAction(record, actions.count++);
      else if (record.kind === "impression") this.#takeRanking(record, first + i, actions);
      else if (record.kind === "forget") this.#forgive(({ user }) => user === record.user);
    });
  }

  tailLost(): void {
    this.#gaveUp = true;
  }

  logged(line: string): void {
    this.#gaveUp ||= line.includes("the joiner drops examples");
  }

  /** The actions of a new partition, whose joiner takes over those that wait in others. */
  #nextActions(): Actions {
    const before = [...this.#actions.values()];
    return {
      count: Math.max(0, ...before.map(({ count }) => count)),
      acceptedAtMs: Math.max(0, ...before.map(({ acceptedAtMs }) => acceptedAtMs)),
    };
  }

  #takeAction(record: ActionRecord, number: number): void {
    const { rankingId, item } = record;
    if (!this.#rankings.has(rankingId)) {
      const waiting = this.#waiting.get(rankingId) ?? [];
      this.#waiting.set(rankingId, waiting);
      waiting.push({ record, number });
    } else if (this.#isNegative(record)) {
      this.#forgive((owed) => owed.rankingId === rankingId && owed.item === item);
    }
  }

  #takeRanking(record: ImpressionRecord, offset: number, actions: Actions): void {
    const { rankingId, user } = record;
    if (this.#rankings.has(rankingId)) this.#forgive((owed) => owed.rankingId === rankingId);
    const isAgain = this.#rankings.has(rankingId);
    this.#rankings.add(rankingId);
    const waiting = this.#waiting.get(rankingId);
    this.#waiting.delete(rankingId);
    if (waiting === undefined || isAgain) return;
    const keys = keysOf(record);
    const { first, count } = presentPartitioning(this.#partitionings()).examples;
    const partition = first + eventPartition(rankingId, count);
    const owed = this.#owed.get(partition) ?? [];
    this.#owed.set(partition, owed);
    for (const item of new Set(waiting.map((each) => each.record.item))) {
      const onItem = waiting.filter((each) => each.record.item === item);
      const key = keys.get(item);
      if (key === undefined || onItem.some((each) => this.#isNegative(each.record))) continue;
      if (!onItem.some((each) => this.#isOwed(each, actions))) continue;
      owed.push({ rankingId, item, user, offset, key });
    }
  }

  /** Whether a ranking that comes now must have the label of an action. */
  #isOwed({ record, number }: WaitingAction, actions: Actions): boolean {
    const labels = this.#rules.judge(record.action, record.value)?.labels ?? [];
    return labels.includes(1) && record.acceptedAtMs + WAIT_MS >= actions.acceptedAtMs &&
      actions.count - number <= WAITING_MAX;
  }

  #isNegative({ action, value }: ActionRecord): boolean {
    return this.#rules.judge(action, value)?.labels.some((label) => label === 0) ?? false;
  }

  /** Owes some examples no more. */
  #forgive(isForgiven: (owed: Owed) => boolean): void {
    for (const [partition, owed] of this.#owed) {
      if (owed.some(isForgiven)) {
        this.#owed.set(partition, owed.filter((each) => !isForgiven(each)));
      }
    }
  }

  #takeChunk(partition: number, chunk: ExampleChunk): void {
    const positives = this.#positives.get(partition) ?? new Set();
    this.#positives.set(partition, positives);
    for (const key of positiveKeysOf(chunk)) positives.add(key);
    const { replayOffset = 0 } = chunk.resume ?? {};
    const owed = this.#owed.get(partition) ?? [];
    for (const { rankingId, item, offset, key } of owed) {
      if (offset >= replayOffset || positives.has(key)) continue;
      this.#context.fail(
        `the log had an action on ${rankingId} before the ranking, which is decided, and there ` +
          `is no positive example of ${item}`,
      );
    }
    this.#owed.set(partition, owed.filter(({ offset }) => offset >= replayOffset));
  }
}

/** A key for each item: the ranking's hash and a digest of the row's features. */
function keysOf(record: ImpressionRecord): Map<string, string> {
  const rows = readRows(record);
  const { ids, listOffsets } = rows.features();
  const { slots } = rows;
  const { low } = fingerprintOf(record.rankingId);
  return new Map(
    rows.items().map((item, row) => {
      const [from, to] = [listOffsets[row * slots], listOffsets[(row + 1) * slots]];
      return [item, `${low} ${digestOfIds(ids, from, to)}`];
    }),
  );
}

/** Keys of the rows with a positive label, as those of {@link keysOf}. */
function positiveKeysOf(chunk: ExampleChunk): string[] {
  if (chunk.rows === 0) return [];
  const rankings = new Uint32Array(present(chunk.rankings, "the joiner writes it").slice().buffer);
  const labels = new Float32Array(chunk.labels.slice().buffer);
  const tasks = labels.length / chunk.rows;
  return idDigestsOfRows(chunk).flatMap((digest, row) =>
    labels.subarray(row * tasks, (row + 1) * tasks).includes(1)
      ? [`${rankings[row]} ${digest}`]
      : []
  );
}
