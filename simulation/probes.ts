/**
 * Probes: rare paths that some run of a campaign should have taken. A campaign that never takes one
 * tests less than it seems to. Paths that a scenario cannot take, such as the read of a history by
 * a model that has none, are left out of its campaigns.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { compileByRanking } from "../kernels/dense/inference_graph.ts";
import { createModel } from "../kernels/dense/models/create_model.ts";
import { FeatureColumns } from "../kernels/features/feature_columns.ts";
import { configurationOf, type DrawOptions, drawRunPlan, type RunPlan } from "./plan/run_plan.ts";
import { PASSES, type PassForm } from "./world/counted_sessions.ts";
import type { World } from "./world/world.ts";

/** A run that may take a path. */
interface DrawnRun {
  readonly plan: RunPlan;
  /** As at the start. */
  readonly configuration: CairnConfiguration;
}

/** Decides whether a run can take a path, as far as its plan tells. */
type Condition = (run: DrawnRun) => boolean;

/** A rare path. */
export interface Probe {
  readonly name: string;
  /** Whether the run has taken it. */
  seen(world: World): boolean;
  /** Default: any run can. */
  readonly isPossible?: Condition;
}

/** Drawn runs that tell which paths a scenario can take. */
const DRAWN_MAX = 48;

/**
 * Names of the probes that no run has seen, and that a run of the scenario can.
 *
 * @param seen Names of the others.
 */
export function missedProbes(
  seen: ReadonlySet<string>,
  options: Omit<DrawOptions, "seed">,
): string[] {
  const missed = new Set<Probe>();
  let unsure = probes.filter(({ name }) => !seen.has(name));
  for (let seed = 1; seed <= DRAWN_MAX && unsure.length > 0; seed++) {
    const plan = drawRunPlan({ ...options, seed });
    const drawn = { plan, configuration: configurationOf(plan.configuration, plan.values) };
    unsure = unsure.filter((probe) => {
      if (probe.isPossible?.(drawn) === false) return true;
      missed.add(probe);
      return false;
    });
  }
  return probes.filter((probe) => missed.has(probe)).map(({ name }) => name);
}

const line = (name: string, pattern: RegExp, isPossible?: Condition): Probe => ({
  name,
  seen: ({ telemetry }) => telemetry.lines(pattern) > 0,
  ...(isPossible !== undefined && { isPossible }),
});

const counter = (
  name: string,
  metric: string,
  labels?: Readonly<Record<string, string>>,
  isPossible?: Condition,
): Probe => ({
  name,
  seen: ({ telemetry }) => telemetry.sum(metric, labels) > 0,
  ...(isPossible !== undefined && { isPossible }),
});

const outcome = (name: string, value: string, isPossible?: Condition): Probe =>
  counter(name, "cairn_joiner_outcomes_total", { outcome: value }, isPossible);

const passOf = (name: string, form: PassForm, isPossible?: Condition): Probe =>
  counter(name, PASSES, { form }, isPossible);

const isMesh: Condition = ({ configuration }) => configuration.mesh !== undefined;
const isStruck: Condition = ({ plan }) => plan.faults.length > 0;

/** Whether values can be too large to learn. */
const predictsValues: Condition = ({ configuration }) =>
  configuration.model.tasks?.some(({ loss }) => loss === "squaredError") ?? false;

/** Whether rankings can be scored with their shared slots computed once. */
const dividesRankings: Condition = ({ configuration: { model, modelSizes, features } }) => {
  const { sharedSlots } = new FeatureColumns(features.schema);
  const form = { sumsAreProducts: false };
  return compileByRanking(createModel(model, modelSizes), form, sharedSlots) !== undefined;
};

const readsHistories: Condition = ({ configuration: { model, modelSizes } }) =>
  createModel(model, modelSizes).historyInputs.length > 0;

const hasHangUps: Condition = ({ plan }) => plan.faults.some(({ kind }) => kind === "hangUps");

/** The probes of every campaign. */
export const probes: readonly Probe[] = [
  counter(
    "a replica missed a delta and was filled",
    "cairn_sync_gaps_total",
    undefined,
    isStruck,
  ),
  line("an actor crashed and was restarted", /crashed and restarts/, isStruck),
  line("a trainer met a restarted shard", /was restarted since its mark was read/, isStruck),
  line("the joiner waited for the example log", /the joiner waits/, isStruck),
  line("the joiner went on", /the example log takes chunks again/, isStruck),
  line(
    "a snapshot failed",
    /no snapshot|snapshot .*failed/,
    (run) => !isMesh(run) || isStruck(run),
  ),
  line("a shard was restored from a snapshot", /embedding_shard\/# begins from/, isStruck),
  line("a replica was behind", /serving_replica\/.* is not up to date/, isStruck),
  line("a user was erased and found nowhere", /the erasure .* is complete/),
  outcome(
    "an action came twice to the joiner",
    "actionsDuplicate",
    (run) => !isMesh(run) || run.plan.idsRetainedMs !== undefined,
  ),
  outcome("an action came after its item was decided", "actionsLate"),
  outcome("an action had no effect by the label rules", "actionsIgnored"),
  outcome("a report of shown items came in time", "reportsMatched"),
  outcome("a report of shown items came after its ranking was decided", "reportsLate"),
  outcome("an item that was not shown gave no example", "rowsNotShown"),
  line(
    "a row that no model can learn was put aside",
    /put examples aside/,
    (run) => !isMesh(run) && predictsValues(run),
  ),
  passOf("a ranking was scored with its shared slots computed once", "oneRanking", dividesRankings),
  passOf("several rankings shared a pass", "severalRankings", dividesRankings),
  passOf("rankings were scored by whole rows", "whole", (run) => !dividesRankings(run)),
  passOf("attention read the history of a user", "histories", readsHistories),
  counter(
    "a ranking was cancelled",
    "cairn_ranker_requests_total",
    { outcome: "cancelled" },
    hasHangUps,
  ),
  outcome("a window closed", "impressionsClosed"),
  outcome("an example was made", "examplesEmitted"),
  outcome(
    "an action came to the joiner before its ranking",
    "actionsEarly",
    (run) => isMesh(run) && isStruck(run),
  ),
];
