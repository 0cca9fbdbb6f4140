/**
 * The examples that a join window makes of records.
 */
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { JoinWindow } from "../../../actors/joiner/join_window.ts";
import type { JoinerOptions } from "../../../actors/joiner/options.ts";
import { exampleColumnsOf } from "../../../kernels/features/schema_fingerprint.ts";
import type { EventRecord } from "../../../records/event_record.ts";
import { joinerOptions, readExamples } from "./records.ts";

/** Feeds records as the joiner does; returns the examples by name. */
export function join(records: readonly EventRecord[], options: JoinerOptions = joinerOptions()) {
  const window = new JoinWindow(options);
  const out = new ExampleChunkBuilder(
    exampleColumnsOf(options, options.tasks.map(({ task }) => task)),
    0,
  );
  records.forEach((record, offset) => {
    window.observe(record, offset);
    while (window.closeNext(record, offset, () => out));
    window.accept(record, offset, () => out);
  });
  return { examples: readExamples(out.finish(0)), counts: window.counts, window };
}
