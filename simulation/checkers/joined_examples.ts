/**
 * The joiner's output is a function of the event log.
 *
 *     ∀ partition p:  rows(example log p) is a prefix of Ref_p(event log)
 *
 * Ref has a join window of its own for each partition of the event log, over every durable record,
 * also of those that were trimmed since.
 * Rows are compared bit by bit. The check ends with the moments that come from outside the log:
 * impressions are closed before their window is over (a nearly full log asks for it), the wall
 * clock steps back (a joiner that starts afterwards bounds its data clock by it), or a fail-over of
 * Redis loses records. At the end of a run, rows that were decided just now may be on their way.
 */
import { carryOverOf, endedPartition, holdCarried } from "../../actors/joiner/carry_over.ts";
import { BEGINNING } from "../../actors/joiner/window_start.ts";
import {
  isIn,
  numbersOf,
  type PartitionCounts,
  partitioningsOf,
} from "../../mesh/ports/partitioning.ts";
import type { Fingerprint } from "../../structures/fingerprint.ts";
import { present } from "../../structures/invariant.ts";
import { boundsPerJoiner } from "../../configuration/partitions.ts";
import { ExampleChunkBuilder } from "../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../actors/joiner/join_window.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { partitionOfFingerprint } from "../../records/event_record.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedChunks, decodedEvents } from "./decoded_records.ts";
import { type ChunkRow, digestsOfRows, rowDifference } from "./example_rows.ts";

/** Rows of one partition: those that the reference decided and the joiner has not written. */
interface Expected {
  readonly builder: ExampleChunkBuilder;
  readonly rows: ExpectedRow[];
  /** When the newest row was decided, ms. */
  decidedAtMs: number;
  /** Rows that the log has. */
  written: number;
}

interface ExpectedRow extends ChunkRow {
  readonly digest: number;
}

/** Longest time from a decision to the write of a row, besides `trainer.linger`, ms. */
const WRITE_MS_MAX = 1_000;

/**
 * @param configuration Its joiner must stay the same during the run.
 * @param world Has the partitionings, oldest first, where they may change.
 */
export function joinedExamples(
  configuration: CairnConfiguration,
  world?: { readonly partitionings: readonly PartitionCounts[] },
): CheckerFactory {
  return (context) => create(configuration, context, world);
}

function create(
  { joiner, joinerBounds, partitions }: CairnConfiguration,
  context: CheckerContext,
  world: { readonly partitionings: readonly PartitionCounts[] } | undefined,
): Checker {
  const { slots, denseWidth, tasks } = joiner;
  const shape = { slots, denseWidth, tasks: tasks.length };
  let partitionings: readonly PartitionCounts[] = [partitions];
  const windows: JoinWindow[] = [];
  const expected: Expected[] = [];
  /** The windows of the newest partitioning, which take over those of the one before. */
  const open = (): void => {
    const all = partitioningsOf(partitionings);
    for (const [number, { events, examples }] of all.entries()) {
      if (events.first < windows.length) continue;
      const before = all[number - 1];
      const ended = before &&
        numbersOf(before.events).map((each) =>
          endedPartition(windows[each], { acceptedAtMs: 0, orderedAtMs: 0 })
        );
      for (const partition of numbersOf(events)) {
        const options = { ...joiner, ...boundsPerJoiner(joinerBounds, events.count), partition };
        const taken = ended && carryOverOf(ended, events, partition);
        const window = new JoinWindow(options, { ...BEGINNING, openFrom: -Infinity, ...taken });
        if (taken !== undefined) holdCarried(window, taken, -Infinity);
        windows.push(window);
      }
      for (const _ of numbersOf(examples)) {
        const builder = new ExampleChunkBuilder(shape, 0);
        expected.push({ builder, rows: [], decidedAtMs: -Infinity, written: 0 });
      }
    }
  };
  open();
  const outputOf = (partition: number) => {
    const own = present(
      partitioningsOf(partitionings).find(({ events }) => isIn(events, partition)),
      "a partition is in a partitioning",
    );
    const { first, count } = own.examples;
    return ({ fingerprint }: { readonly fingerprint: Fingerprint }) =>
      expected[first + partitionOfFingerprint(fingerprint, count)].builder;
  };
  let gaveUp = false;
  return {
    name: "joined-examples",
    durable(log, partition, records, firstOffset) {
      if (gaveUp) return;
      if (log === "events") {
        // The first record of a partition comes when those before are sealed.
        if (partition >= windows.length) {
          partitionings = world?.partitionings ?? partitionings;
          open();
        }
        const window = windows[partition];
        const output = outputOf(partition);
        decodedEvents(records).forEach((record, i) => {
          const offset = firstOffset + i;
          window.observe(record, offset);
          while (window.closeNext(record, offset, output));
          window.accept(record, offset, output);
        });
        gaveUp ||= window.counts.impressionsClosedEarly > 0;
        for (const each of expected) {
          if (each.builder.rows > 0) each.decidedAtMs = context.nowMs();
          const chunk = each.builder.finish(0);
          const digests = digestsOfRows(chunk);
          each.rows.push(...digests.map((digest, index) => ({ digest, chunk, index })));
        }
        return;
      }
      if (log !== "examples") return;
      const own = expected[partition];
      // Its joiner has begun, and no record came yet: nothing is decided there.
      if (own === undefined) return;
      for (const chunk of decodedChunks(records)) {
        for (const [index, digest] of digestsOfRows(chunk).entries()) {
          const wanted = own.rows.shift();
          if (wanted?.digest !== digest) {
            const is = wanted === undefined
              ? "is not decided by the log"
              : rowDifference({ chunk, index }, wanted) ?? "has other bits than the log's";
            context.fail(`row ${own.written} of example partition ${partition} ${is}`);
            return;
          }
          own.written++;
        }
      }
    },
    tailLost() {
      gaveUp = true;
    },
    fault(fault) {
      gaveUp ||= fault.kind === "stepClock" && fault.byMs < 0;
    },
    atEnd() {
      if (gaveUp) return;
      expected.forEach(({ rows, decidedAtMs }, partition) => {
        const writtenByMs = decidedAtMs + joiner.lingerMs + WRITE_MS_MAX;
        if (rows.length > 0 && context.nowMs() > writtenByMs) {
          context.fail(
            `${rows.length} examples of partition ${partition} were decided and never written`,
          );
        }
      });
    },
  };
}
