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
import { ExampleChunkBuilder } from "../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../actors/joiner/join_window.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { partitionOfFingerprint } from "../../records/event_record.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedChunks, decodedEvents } from "./decoded_records.ts";
import { digestsOfRows } from "./example_rows.ts";

/** Rows of one partition: those that the reference decided and the joiner has not written. */
interface Expected {
  readonly builder: ExampleChunkBuilder;
  readonly digests: number[];
  /** When the newest row was decided, ms. */
  decidedAtMs: number;
}

/** Longest time from a decision to the write of a row, besides `trainer.linger`, ms. */
const WRITE_MS_MAX = 1_000;

/** @param configuration Its joiner must stay the same during the run. */
export function joinedExamples(configuration: CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(
  { joiner, partitions }: CairnConfiguration,
  context: CheckerContext,
): Checker {
  const { slots, denseWidth, tasks } = joiner;
  const shape = { slots, denseWidth, tasks: tasks.length };
  const windows = Array.from(
    { length: partitions.events },
    (_, partition) => new JoinWindow({ ...joiner, partition }),
  );
  const expected: Expected[] = Array.from(
    { length: partitions.examples },
    () => ({ builder: new ExampleChunkBuilder(shape, 0), digests: [], decidedAtMs: -Infinity }),
  );
  const written = expected.map(() => 0);
  const output = ({ fingerprint }: { readonly fingerprint: { low: number; high: number } }) =>
    expected[partitionOfFingerprint(fingerprint, partitions.examples)].builder;
  let gaveUp = false;
  return {
    name: "joined-examples",
    durable(log, partition, records, firstOffset) {
      if (gaveUp) return;
      if (log === "events") {
        const window = windows[partition];
        decodedEvents(records).forEach((record, i) => {
          const offset = firstOffset + i;
          window.observe(record, offset);
          while (window.closeNext(record, offset, output));
          window.accept(record, offset, output);
        });
        gaveUp ||= window.counts.impressionsClosedEarly > 0;
        for (const each of expected) {
          if (each.builder.rows > 0) each.decidedAtMs = context.nowMs();
          each.digests.push(...digestsOfRows(each.builder.finish(0)));
        }
        return;
      }
      if (log !== "examples") return;
      const { digests } = expected[partition];
      for (const chunk of decodedChunks(records)) {
        for (const digest of digestsOfRows(chunk)) {
          const wanted = digests.shift();
          if (wanted !== digest) {
            const is = wanted === undefined
              ? "is not decided by the log"
              : "differs from the log's";
            context.fail(`row ${written[partition]} of example partition ${partition} ${is}`);
            return;
          }
          written[partition]++;
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
      expected.forEach(({ digests, decidedAtMs }, partition) => {
        const writtenByMs = decidedAtMs + joiner.lingerMs + WRITE_MS_MAX;
        if (digests.length > 0 && context.nowMs() > writtenByMs) {
          context.fail(
            `${digests.length} examples of partition ${partition} were decided and never written`,
          );
        }
      });
    },
  };
}
