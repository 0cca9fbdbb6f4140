/**
 * The entry of a worker thread that can make counters.
 */
import { runWorkerThread } from "../../../../mesh/adapters/deno/run_worker_thread.ts";
import type { MailboxOptions } from "../../../../mesh/runtime/actor.ts";
import { TelemetryRecorder } from "../../../../mesh/simulation/telemetry_recorder.ts";
import { counterDefinition } from "../../runtime/counter_actor.ts";

interface CounterSetup {
  readonly failWith?: string;
  /** The thread crashes when the number is not 0 any more. */
  readonly crashGate?: Int32Array;
  readonly mailbox?: MailboxOptions;
  readonly logs?: Record<string, unknown>;
}

runWorkerThread<CounterSetup>({
  telemetry: (log) => Object.assign(new TelemetryRecorder(), { log }),
  compose({ node, setup }) {
    if (setup.logs) node.telemetry.log("warn", "begins", setup.logs);
    if (setup.failWith) throw new Error(setup.failWith);
    const { crashGate } = setup;
    if (crashGate !== undefined) {
      setInterval(() => {
        if (Atomics.load(crashGate, 0) !== 0) throw new Error("a bug outside every handler");
      }, 1);
    }
    return { definitions: [counterDefinition(setup.mailbox ? { mailbox: setup.mailbox } : {})] };
  },
});
