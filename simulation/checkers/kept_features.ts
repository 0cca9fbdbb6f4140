/**
 * Kept features are those of the event log: every answer of a keeper is that of some prefix of the
 * log, and prefixes only grow while the keeper lives, also after a restart from a checkpoint.
 *
 *     ∀ incarnation of a keeper:  ∃ n₁ ≤ n₂ ≤ …:  answer i = features of the first nᵢ records
 *
 * A keeper reads records before they are durable, so an answer waits until its records are. Between
 * several partitions the order is that in which the keeper finds their records, and only the keeper
 * knows it: such a log is not checked. Where a fail-over of Redis has lost the log's tail, keepers
 * that had begun before are not checked any more, and those that begin afterwards must not have the
 * lost records.
 */
import { KeptState } from "../../actors/feature_keeper/kept_state.ts";
import type { FeatureKeeperOptions } from "../../actors/feature_keeper/options.ts";
import type { KeptValues, ReadKept } from "../../actors/feature_keeper/protocol.ts";
import type { Checker, CheckerContext } from "./checker.ts";

/** Answers that wait at most; a keeper is far ahead of the disk then, and the oldest is let go. */
const WAITING_MAX = 1_000;

/** An answer as text, so that the values that were transferred are compared too. */
interface Answer {
  readonly request: ReadKept;
  readonly text: string;
}

/** One incarnation of a keeper, and the prefix of the log that its last answer had. */
interface Incarnation {
  readonly host: string | undefined;
  readonly state: KeptState;
  read: number;
  waiting: Answer[];
}

export function keptFeatures(context: CheckerContext): Checker {
  const log: Uint8Array[] = [];
  /** By host and address: a keeper that moves ends after the next one has begun. */
  const keepers = new Map<string, Incarnation>();
  let answers = 0;
  /** Whether all records so far are of one partition. */
  let hasOrder = true;
  const advance = (keeper: Incarnation) => {
    while (keeper.waiting.length > 0) {
      const [{ request, text }] = keeper.waiting;
      if (textOf(read(keeper.state, request)) === text) keeper.waiting.shift();
      else if (keeper.read < log.length) keeper.state.take(log[keeper.read++]);
      else return;
    }
  };
  return {
    name: "kept-features",
    processDied(host) {
      for (const [actor, keeper] of keepers) if (keeper.host === host) keepers.delete(actor);
    },
    tailLost(name, partition, endOffset) {
      if (name !== "events" || partition !== 0) return;
      log.length = Math.min(log.length, endOffset);
      keepers.clear();
    },
    began(actor, host, options) {
      if (!actor.startsWith("feature_keeper/")) return;
      const state = new KeptState(options as FeatureKeeperOptions);
      keepers.set(`${host} ${actor}`, { host, state, read: 0, waiting: [] });
    },
    durable(name, partition, records, firstOffset) {
      if (name !== "events") return;
      hasOrder &&= partition === 0;
      if (!hasOrder) return;
      records.forEach((record, i) => log[firstOffset + i] = record.slice());
    },
    answers(actor, request, value, host) {
      const keeper = keepers.get(`${host} ${actor}`);
      if (!hasOrder || keeper === undefined || request.kind !== "readKept") return;
      answers++;
      keeper.waiting.push({ request: request as ReadKept, text: textOf(value as KeptValues) });
      if (keeper.waiting.length > WAITING_MAX) keeper.waiting.shift();
    },
    atEnd() {
      if (!hasOrder) return;
      for (const [actor, keeper] of keepers) {
        advance(keeper);
        const [first] = keeper.waiting;
        if (first === undefined) continue;
        const { user, atMs } = first.request;
        context.fail(
          `${actor} answered ${first.text} for "${user}" at ${atMs}, which no prefix of the log's ` +
            `${log.length} records after its last answer gives (${answers} answers)`,
        );
      }
    },
  };
}

function read(state: KeptState, request: ReadKept): KeptValues {
  const { user, items, atMs } = request;
  return state.read(user, items, atMs, request);
}

function textOf({ hasUser, user, items, histories }: KeptValues): string {
  return JSON.stringify([hasUser, user, [...items], histories]);
}
