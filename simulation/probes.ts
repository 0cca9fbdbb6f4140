/**
 * Probes: rare paths that some run of a campaign should have taken. A campaign that never takes one
 * tests less than it seems to.
 */
import { PASSES, type PassForm } from "./world/counted_sessions.ts";
import type { World } from "./world/world.ts";

/** A rare path. */
export interface Probe {
  readonly name: string;
  /** The only kind of world that can take it: a mesh of several hosts, or one process. */
  readonly only?: "mesh" | "process";
  /** Whether the run has taken it. */
  seen(world: World): boolean;
}

const line = (name: string, pattern: RegExp): Probe => ({
  name,
  seen: ({ telemetry }) => telemetry.lines(pattern) > 0,
});

const counter = (
  name: string,
  metric: string,
  labels?: Readonly<Record<string, string>>,
): Probe => ({
  name,
  seen: ({ telemetry }) => telemetry.sum(metric, labels) > 0,
});

const outcome = (name: string, value: string): Probe =>
  counter(name, "cairn_joiner_outcomes_total", { outcome: value });

const passOf = (name: string, form: PassForm): Probe => counter(name, PASSES, { form });

/** The probes of every campaign. */
export const probes: readonly Probe[] = [
  counter("a replica missed a delta and was filled", "cairn_sync_gaps_total"),
  line("an actor crashed and was restarted", /crashed and restarts/),
  line("a trainer met a restarted shard", /was restarted since its mark was read/),
  line("the joiner waited for the example log", /the joiner waits/),
  line("the joiner went on", /the example log takes chunks again/),
  line("a snapshot failed", /no snapshot|snapshot .*failed/),
  line("a shard was restored from a snapshot", /embedding_shard\/# begins from/),
  line("a replica was behind", /replicas of .* are not up to date/),
  line("a user was erased and found nowhere", /the erasure .* is complete/),
  outcome("an action came twice to the joiner", "actionsDuplicate"),
  outcome("an action came after its item was decided", "actionsLate"),
  outcome("an action had no effect by the label rules", "actionsIgnored"),
  outcome("a report of shown items came in time", "reportsMatched"),
  outcome("a report of shown items came after its ranking was decided", "reportsLate"),
  outcome("an item that was not shown gave no example", "rowsNotShown"),
  { ...line("a row that no model can learn was put aside", /put examples aside/), only: "process" },
  passOf("a ranking was scored with its shared slots computed once", "oneRanking"),
  passOf("several rankings shared a pass", "severalRankings"),
  passOf("rankings were scored by whole rows", "whole"),
  passOf("attention read the history of a user", "histories"),
  outcome("a window closed", "impressionsClosed"),
  outcome("an example was made", "examplesEmitted"),
  {
    ...outcome("an action came to the joiner before its ranking", "actionsEarly"),
    only: "mesh",
  },
];
