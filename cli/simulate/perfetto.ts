/**
 * A run as a trace for ui.perfetto.dev: a process per kind of actor, a track per actor, flows for
 * messages, instants for faults.
 *
 * @see https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event
 * Format)
 */
import type { RunPlan } from "../../simulation/plan/run_plan.ts";
import { describeFault } from "../../simulation/plan/fault.ts";
import type { RunOutcome } from "../../simulation/run_world.ts";

/** Length of an event that takes no virtual time, so that it can be seen, µs. */
const INSTANT_US = 1;

/** The trace as JSON. */
export function perfettoTrace(plan: RunPlan, { world }: RunOutcome): string {
  const tracks = new Map<string, number>();
  const traceEvents: Record<string, unknown>[] = [];
  const trackOf = (name: string): { pid: number; tid: number } => {
    let tid = tracks.get(name);
    if (tid === undefined) {
      tracks.set(name, tid = tracks.size + 1);
      traceEvents.push({ ph: "M", name: "thread_name", pid: 1, tid, args: { name } });
    }
    return { pid: 1, tid };
  };
  for (const event of world.trace.events()) {
    if (event.kind === "callback") continue;
    const ts = event.atMs * 1_000;
    const { number, detail, text } = event;
    const args = { number, detail, ...(text !== undefined && { text }) };
    traceEvents.push({
      ph: "X",
      name: event.kind,
      ts,
      dur: INSTANT_US,
      args,
      ...trackOf(event.at),
    });
    if (event.from === undefined || event.sentAtMs === undefined) continue;
    const flow = { cat: "message", name: event.kind, id: number };
    traceEvents.push({ ph: "s", ts: event.sentAtMs * 1_000, ...flow, ...trackOf(event.from) });
    traceEvents.push({ ph: "f", bp: "e", ts, ...flow, ...trackOf(event.at) });
  }
  for (const fault of plan.faults) {
    const where = trackOf("faults");
    traceEvents.push({
      ph: "i",
      s: "g",
      name: describeFault(fault),
      ts: fault.atMs * 1_000,
      ...where,
    });
  }
  return JSON.stringify({ traceEvents, displayTimeUnit: "ms" });
}
