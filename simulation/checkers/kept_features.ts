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
 * lost records. They may lack the oldest ones: a keeper whose checkpoint is of lost records begins
 * anew with those that were not trimmed.
 */
import { KeptState } from "../../actors/feature_keeper/kept_state.ts";
import type { FeatureKeeperOptions } from "../../actors/feature_keeper/options.ts";
import type { KeptValues, ReadKept } from "../../actors/feature_keeper/protocol.ts";
import type { Checker, CheckerContext } from "./checker.ts";

/** Answers of an incarnation that are compared at the end of a run: the newest. */
const ANSWERS_MAX = 1_000;

/** An answer as text, so that the values that were transferred are compared too. */
interface Answer {
  readonly request: ReadKept;
  readonly text: string;
}

/** One incarnation of a keeper, with its answers. */
interface Incarnation {
  readonly host: string | undefined;
  readonly options: FeatureKeeperOptions;
  readonly answers: Answer[];
}

export function keptFeatures(context: CheckerContext): Checker {
  const log: Uint8Array[] = [];
  /** By host and address: a keeper that moves ends after the next one has begun. */
  const keepers = new Map<string, Incarnation>();
  let answers = 0;
  /** Whether all records so far are of one partition. */
  let hasOrder = true;
  /** Records before this offset were trimmed, and a later fail-over may have brought some back. */
  let trimmedBefore = 0;
  let hasLost = false;
  /** The first answer that the records from an offset on do not give after those before it. */
  const wrongFrom = (begin: number, { options, answers }: Incarnation): Answer | undefined => {
    const state = new KeptState(options);
    let next = begin;
    return answers.find(({ request, text }) => {
      while (textOf(read(state, request)) !== text) {
        if (next >= log.length) return true;
        state.take(log[next++]);
      }
      return false;
    });
  };
  return {
    name: "kept-features",
    processDied(host) {
      for (const [actor, keeper] of keepers) if (keeper.host === host) keepers.delete(actor);
    },
    trimmed(name, partition, offset) {
      if (name === "events" && partition === 0) trimmedBefore = Math.max(trimmedBefore, offset);
    },
    tailLost(name, partition, endOffset) {
      if (name !== "events" || partition !== 0) return;
      log.length = Math.min(log.length, endOffset);
      hasLost = true;
      keepers.clear();
    },
    began(actor, host, options) {
      if (!actor.startsWith("feature_keeper/")) return;
      const keeper = { host, options: options as FeatureKeeperOptions, answers: [] };
      keepers.set(`${host} ${actor}`, keeper);
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
      keeper.answers.push({ request: request as ReadKept, text: textOf(value as KeptValues) });
      if (keeper.answers.length > ANSWERS_MAX) keeper.answers.shift();
    },
    atEnd() {
      if (!hasOrder) return;
      for (const [actor, keeper] of keepers) {
        const first = wrongFrom(0, keeper);
        if (first === undefined) continue;
        const begins = Array.from({ length: hasLost ? trimmedBefore : 0 }, (_, i) => i + 1);
        if (begins.some((begin) => wrongFrom(begin, keeper) === undefined)) continue;
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
