/**
 * The joiner's output is a function of the event log, in chunks of the promised sizes and times.
 *
 *     ∀ partition p:  rows(example log p) is a prefix of Ref_p(event log)
 *     ∀ chunk:        see {@link ChunkTiming}
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
import type { JoinerOptions } from "../../actors/joiner/options.ts";
import type { JoinerMessage } from "../../actors/joiner/protocol.ts";
import { exampleColumnsOf } from "../../kernels/features/schema_fingerprint.ts";
import { partitionOfFingerprint } from "../../records/event_record.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedChunks, decodedEvents } from "./decoded_records.ts";
import { ChunkTiming } from "./chunk_timing.ts";
import { type ChunkRow, digestsOfRows, rowDifference } from "./example_rows.ts";
import type { RunLatencies } from "./prompt_freshness.ts";

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
  /** When its events became durable, ms. */
  readonly decidedAtMs: number;
}

/**
 * Longest time from a decision to the write of a row, besides `trainer.linger`, ms. The joiner of a
 * mesh may read a ranking 500 ms late, and gathers rows for 500 ms while the trainer is behind.
 */
const WRITE_MS_MAX = 1_500;

/** A run, besides its configuration. */
export interface JoinedRun {
  /** Left out in a mesh, where the times of chunks are not watched. */
  readonly latencies?: RunLatencies;
  /** Has the partitionings, oldest first, where they may change. */
  readonly world?: { readonly partitionings: readonly PartitionCounts[] };
}

/** @param configuration The decisions of its joiner must stay the same during the run. */
export function joinedExamples(
  configuration: CairnConfiguration,
  run: JoinedRun,
): CheckerFactory {
  return (context) => create(configuration, context, run);
}

function create(
  { joiner, joinerBounds, partitions }: CairnConfiguration,
  context: CheckerContext,
  { latencies, world }: JoinedRun,
): Checker {
  const columns = exampleColumnsOf(joiner, joiner.tasks.map(({ task }) => task));
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
        const builder = new ExampleChunkBuilder(columns, 0);
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
  const timing = latencies && new ChunkTiming(latencies);
  return {
    name: "joined-examples",
    began(actor, _host, options) {
      if (actor.startsWith("joiner/")) timing?.began(options as JoinerOptions, context.nowMs());
    },
    handles(actor, message) {
      if (!actor.startsWith("joiner/")) return;
      const told = message as JoinerMessage;
      if (told.kind === "chunksTaken") timing?.taken(told);
    },
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
          const { decidedAtMs } = each;
          each.rows.push(
            ...digests.map((digest, index) => ({ digest, chunk, index, decidedAtMs })),
          );
        }
        return;
      }
      if (log !== "examples") return;
      const own = expected[partition];
      // Its joiner has begun, and no record came yet: nothing is decided there.
      if (own === undefined) return;
      const chunks = decodedChunks(records);
      for (const [i, chunk] of chunks.entries()) {
        const fault = chunk.rows > 0 && own.rows.length > 0
          ? timing?.wrote({
            partition,
            offset: firstOffset + i,
            chunk,
            next: chunks[i + 1],
            firstAtMs: own.rows[0].decidedAtMs,
            lastAtMs: own.rows[Math.min(chunk.rows, own.rows.length) - 1].decidedAtMs,
            nowMs: context.nowMs(),
          })
          : undefined;
        if (fault !== undefined) {
          context.fail(`chunk ${firstOffset + i} of example partition ${partition} ${fault}`);
        }
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
      timing?.fault();
      gaveUp ||= fault.kind === "stepClock" && fault.byMs < 0;
    },
    atEnd() {
      const late = timing?.atEnd();
      if (late !== undefined) context.fail(late);
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
