/**
 * Rules for the owners of shards and partitions: which change is allowed, for which host, and when
 * it mints an epoch. Pure functions over the mesh's records.
 *
 *     unassigned ─▶ restoring ─▶ active ─▶ moving (filling ▶ frozen) ─▶ active
 *                                   ▲                        │ aborted
 *                                   └────────────────────────┘
 *
 * From any state an owner that is lost is replaced by `restoring` on another host, or given up to
 * `unassigned`.
 */
import {
  type ControllerTerm,
  type HostRun,
  isSameRun,
  type MovePhase,
  type Ownership,
  type PlaceCommand,
  type PlacedKey,
  type Placement,
  type PlacementChange,
} from "../../ports/coordination.ts";
import {
  IllegalPlacementError,
  OvertakenPlacementError,
  PlacementConflictError,
} from "../../ports/coordination_errors.ts";
import type { RecordView } from "../../ports/record_store.ts";
import { checkController, liveRun } from "./host_rules.ts";
import { historyAfter } from "./placement_history_rules.ts";
import { json, placedKeys, raiseCounts, recordKeys, records, runOf } from "./record_keys.ts";
import { invariant, present } from "../../../structures/invariant.ts";

const phases: readonly MovePhase[] = ["filling", "frozen"];

/** The keys of the records that {@link place} reads for a command. */
export function keysOfPlace({ by, changes }: PlaceCommand): string[] {
  const deciders = "controllerEpoch" in by
    ? [recordKeys.control, recordKeys.plan]
    : [recordKeys.host(by.host)];
  const parties = changes.flatMap((
    { expected, next },
  ) => [...partiesOf(expected), ...partiesOf(next)]);
  return [
    ...new Set([
      recordKeys.identity,
      recordKeys.counts,
      ...deciders,
      ...parties.map(({ host }) => recordKeys.host(host)),
      ...changes.flatMap(({ key }) => [key, recordKeys.history(key)]),
    ]),
  ];
}

/** Makes the changes of a command; see {@link Coordination.place}. */
export function place(view: RecordView, command: PlaceCommand): Map<PlacedKey, Placement> {
  const { by, changes, rewind = false } = command;
  invariant(changes.length > 0, "a place command changes something");
  const isController = "controllerEpoch" in by;
  invariant(isController || !rewind, "only the controller rewinds the mesh");
  if (isController) checkTerm(view, by);
  else liveRun(view, by);
  const identity = present(records.identity(view), "a mesh is opened before it is placed");
  const known = new Set(placedKeys(identity));
  const outcome = new Map<PlacedKey, Placement>();
  let changed = false;
  for (const change of changes) {
    const { key, expected } = change;
    invariant(known.has(key), "a placed key is one of the mesh's shards or partitions");
    invariant(!outcome.has(key), "a command changes each key once");
    const found = records.placement(view, key);
    const next = resultOf(change, isController ? undefined : by);
    outcome.set(key, next);
    // The answer to an earlier sending of the same command was lost.
    if (isSamePlacement(found, next)) continue;
    if (!isSamePlacement(found, expected)) throw new PlacementConflictError(key, expected, found);
    for (const run of newParties(expected, next)) {
      const { host, state } = liveRun(view, run);
      if (state === "draining") throw new OvertakenPlacementError(`${host} drains`);
    }
    // The owner itself tells the target of its freeze: no other host wakes up in the midst of it.
    const raisesRevision = expected.state !== "moving" || next.state !== "moving";
    if (raisesRevision) view.set(key, json(next));
    else view.setQuietly(key, json(next));
    const { reason = "" } = change;
    const step = { before: found, after: next, nowMs: view.nowMs, reason };
    const history = historyAfter(records.history(view, key), step);
    if (history !== undefined) view.setQuietly(recordKeys.history(key), json(history));
    changed ||= raisesRevision;
  }
  if (changed) raiseCounts(view, { rewind });
  return outcome;
}

/** @throws {OvertakenPlacementError} The plan is another one than the controller has read. */
function checkTerm(view: RecordView, { controllerEpoch, planEdition }: ControllerTerm): void {
  checkController(view, controllerEpoch);
  const edition = records.plan(view)?.edition ?? 0;
  if (planEdition === edition) return;
  throw new OvertakenPlacementError(`the plan is edition ${edition}, and ${planEdition} was read`);
}

/**
 * The placement after a change.
 *
 * @param reporter The host that reports its own progress; undefined for the controller.
 * @throws {IllegalPlacementError} The change is not allowed.
 */
export function resultOf(
  { key, expected, next }: Pick<PlacementChange, "key" | "expected" | "next">,
  reporter: HostRun | undefined,
): Placement {
  const why = reporter
    ? reasonAgainstReport(expected, next, reporter)
    : reasonAgainst(expected, next);
  if (why !== undefined) throw new IllegalPlacementError(key, expected, next, why);
  const isNewOwner = next.state === "restoring" ||
    (next.state === "active" && expected.state === "moving" &&
      !isSameRun(next.owner, expected.owner));
  return { ...plain(next), epoch: expected.epoch + (isNewOwner ? 1 : 0) };
}

/** The reason that forbids a change by the controller; undefined where it is allowed. */
function reasonAgainst(from: Ownership, to: Ownership): string | undefined {
  switch (to.state) {
    case "unassigned":
    case "restoring":
      return undefined;
    case "active":
      if (from.state === "restoring" || from.state === "active") {
        return isSameRun(from.owner, to.owner) ? undefined : "a new owner restores first";
      }
      if (from.state === "unassigned") return "an owner restores before it is active";
      if (isSameRun(from.owner, to.owner)) return undefined;
      return "only the target of the move may take over";
    case "moving":
      if (from.state === "active") {
        if (!isSameRun(from.owner, to.owner)) return "a move begins at the owner";
        if (from.owner.host === to.target.host) return "a move needs another host";
        return to.phase === "filling" ? undefined : "a move begins with filling";
      }
      if (from.state !== "moving") return "only an active owner can give its part away";
      if (!isSameRun(from.owner, to.owner) || !isSameRun(from.target, to.target)) {
        return "end the present move first";
      }
      return phases.indexOf(to.phase) >= phases.indexOf(from.phase)
        ? undefined
        : "a move does not go back";
  }
}

/** The reason that forbids a report of progress by a host; undefined where it is allowed. */
function reasonAgainstReport(from: Ownership, to: Ownership, by: HostRun): string | undefined {
  if (from.state === "moving" && to.state === "active" && isSameRun(by, from.target)) {
    if (!isSameRun(to.owner, by)) return "only the owner aborts its own move";
    return from.phase === "filling" ? `"${from.owner.host}" is not frozen` : undefined;
  }
  const why = reasonAgainst(from, to);
  if (why !== undefined) return why;
  if (from.state === "restoring" && to.state === "active") {
    return isSameRun(by, from.owner) ? undefined : "only the owner says that it is restored";
  }
  if (from.state === "moving" && to.state === "moving") {
    const { owner } = from;
    return isSameRun(by, owner) ? undefined : `"${owner.host}" says when it is ${to.phase}`;
  }
  if (from.state === "moving" && to.state === "active" && isSameRun(from.owner, to.owner)) {
    return isSameRun(by, from.owner) ? undefined : "only the owner aborts its own move";
  }
  return "only the controller changes owners";
}

/** Runs that the change brings in: each must be a host of the mesh. */
function newParties(from: Ownership, to: Ownership): HostRun[] {
  const before = partiesOf(from);
  return partiesOf(to).filter((run) => !before.some((other) => isSameRun(run, other)));
}

function partiesOf(ownership: Ownership): HostRun[] {
  if (ownership.state === "unassigned") return [];
  return ownership.state === "moving" ? [ownership.owner, ownership.target] : [ownership.owner];
}

function isSamePlacement(a: Placement, b: Placement): boolean {
  const [left, right] = [partiesOf(a), partiesOf(b)];
  return a.epoch === b.epoch && a.state === b.state &&
    (a.state !== "moving" || b.state !== "moving" || a.phase === b.phase) &&
    left.every((run, i) => isSameRun(run, right[i]));
}

/** The ownership without fields that a caller's objects may have besides. */
function plain(ownership: Ownership): Ownership {
  switch (ownership.state) {
    case "unassigned":
      return { state: "unassigned" };
    case "moving":
      return {
        state: "moving",
        owner: runOf(ownership.owner),
        target: runOf(ownership.target),
        phase: ownership.phase,
      };
    case "restoring":
    case "active":
      return { state: ownership.state, owner: runOf(ownership.owner) };
  }
}
