/**
 * Nothing is learned from an item that was not shown.
 *
 *     at the end, ∀ features f:  examples(f)  ≤  rows(f) + actions(f)
 *
 * examples(f) counts the examples with the features f. rows(f) counts the rows of rankings with
 * these features; of a ranking that awaits reports only the rows that a report or an action names.
 * actions(f) counts the actions on such rows: they may be late labels, or come before the ranking.
 * A fail-over of Redis that loses records ends the promise.
 */
import {
  type ActionRecord,
  type EventRecord,
  type ImpressionRecord,
  readRows,
} from "../../records/event_record.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedChunks, decodedEvents } from "./decoded_records.ts";
import { digestOfIds, idDigestsOfRows } from "./example_rows.ts";

/** See the header. */
export const shownItems: CheckerFactory = (context) => {
  const examples = new Map<number, number>();
  const allowed = new Map<number, number>();
  /** By ranking and item, the features of the newest ranking. */
  const features = new Map<string, ReadonlyMap<string, number>>();
  /** Rankings that await reports, with the items that were named so far. */
  const named = new Map<string, Set<string>>();
  /** Actions that the log has before their ranking, by ranking. */
  const early = new Map<string, readonly ActionRecord[]>();
  let gaveUp = false;

  function take(record: EventRecord): void {
    switch (record.kind) {
      case "impression": {
        const rows = digestsOf(record);
        features.set(record.rankingId, rows);
        if (record.awaitsShown) named.set(record.rankingId, new Set());
        else for (const digest of rows.values()) add(allowed, digest);
        early.get(record.rankingId)?.forEach(act);
        early.delete(record.rankingId);
        return;
      }
      case "shown":
        return record.items.forEach((item) => name(record.rankingId, item));
      case "action":
        if (features.has(record.rankingId)) return act(record);
        early.set(record.rankingId, [...early.get(record.rankingId) ?? [], record]);
        return;
      case "forget":
      case "release":
      case "remembered":
      case "mark":
        return;
      default:
        record satisfies never;
    }
  }

  function act({ rankingId, item }: ActionRecord): void {
    const digest = features.get(rankingId)?.get(item);
    if (digest !== undefined) add(allowed, digest);
    name(rankingId, item);
  }

  function name(rankingId: string, item: string): void {
    const digest = features.get(rankingId)?.get(item);
    const items = named.get(rankingId);
    if (digest === undefined || items === undefined || items.has(item)) return;
    items.add(item);
    add(allowed, digest);
  }

  return {
    name: "shown-items",
    durable(log, _partition, records) {
      if (log === "events") decodedEvents(records).forEach(take);
      if (log !== "examples") return;
      for (const chunk of decodedChunks(records)) {
        for (const digest of idDigestsOfRows(chunk)) add(examples, digest);
      }
    },
    tailLost() {
      gaveUp = true;
    },
    atEnd() {
      if (gaveUp) return;
      for (const [digest, count] of examples) {
        const most = allowed.get(digest) ?? 0;
        if (count <= most) continue;
        return context.fail(
          `${count} examples have features that rankings showed, or actions named, ${most} times`,
        );
      }
    },
  };
};

function digestsOf(record: ImpressionRecord): Map<string, number> {
  const rows = readRows(record);
  const { ids, listOffsets } = rows.features();
  const slots = rows.slots;
  return new Map(
    rows.items().map((item, row) => {
      const [from, to] = [listOffsets[row * slots], listOffsets[(row + 1) * slots]];
      return [item, digestOfIds(ids, from, to)];
    }),
  );
}

function add(counts: Map<number, number>, digest: number): void {
  counts.set(digest, (counts.get(digest) ?? 0) + 1);
}
