/**
 * The controller's decisions, as a function of the mesh's state in the coordination store and of
 * little memory: when it first saw a step of a move, and the last known sizes. Another process can
 * take over at any moment: everything that must not be forgotten is in the store.
 *
 * It removes hosts whose lease has expired, restores their shards and partitions on other hosts
 * (and raises the generation where shards were lost), gives parts that a host does not restore in
 * time, or that no other host reaches there for as long, to others, aborts moves that cannot end or
 * take too long, and begins the moves that a drain, the operator's plan or the balance of the hosts
 * asks for.
 *
 * It has no effects: the caller sends the steps to the store, in order, and observes again. Every
 * step names the state that it was decided from, so a step that comes late changes nothing.
 */
import { numbersOf } from "../ports/partitioning.ts";
import {
  type MeshView,
  parsePlacedKey,
  type PlacedKey,
  type PlacedKind,
  type Placement,
} from "../ports/coordination.ts";
import { reshardStep } from "../ports/reshard_progress.ts";
import { present } from "../../structures/invariant.ts";
import {
  hostViews,
  isLive,
  type PartSize,
  placementOf,
  rangeOf,
  reportedSize,
  rolesOf,
  shardViews,
} from "./mesh_views.ts";
import { changeOf, type ControllerStep, moveOf, place, runOf } from "./controller_steps.ts";
import {
  activePlan,
  encodePlan,
  endedPlan,
  isBegun,
  isLeft,
  isReverse,
  knownPlan,
  mayBalance,
  type PlanDocument,
  type PlannedMove,
} from "./plan_document.ts";
import { FROZEN_MS_MAX } from "./host_duties.ts";
import { type HostReach, hostsHave, isCutOff, reachOf } from "./host_reach.ts";
import { changesOf } from "./placement_plan.ts";
import { type PlannerOptions, planPlacement } from "./plan_placement.ts";
import { placementWords } from "./placement_words.ts";

export interface ControllerOptions extends Omit<PlannerOptions, "balances" | "planned"> {
  /** Whether shards move without a command to even out the hosts, if the last plan allows it. */
  readonly balances: boolean;
  /** Time without contact to the store after whose end no host is removed, ms: a host's lease. */
  readonly patienceMs: number;
  /** Time from the freeze of an owner to the abort of its move, ms. */
  readonly frozenMsMax: number;
  /** Time for copying a shard before its move is aborted, ms. */
  readonly fillingMsMax: number;
  /**
   * Time in which a living host must restore a shard, or begin to read a partition, before another
   * host gets it, and for which it may be cut off from the hosts that use the part, ms.
   */
  readonly restoringMsMax: number;
}

export const defaultControllerOptions: ControllerOptions = {
  spreadMax: 0.1,
  movesMax: 2,
  balances: false,
  patienceMs: 10_000,
  frozenMsMax: FROZEN_MS_MAX,
  fillingMsMax: 30 * 60_000,
  restoringMsMax: 2 * 60_000,
};

const kinds: readonly PlacedKind[] = ["shard", "events", "trainer"];

export class Controller {
  readonly #options: ControllerOptions;
  /** Until then nothing is taken from a host, on the store's clock; undefined before any view. */
  #patientUntilMs: number | undefined;
  #wasAway = true;
  /** When each step of a move or restore was first seen, on the store's clock, by its key. */
  #seen = new Map<PlacedKey, { readonly step: string; readonly sinceMs: number }>();
  /** Since when planned moves lack a link between their hosts, on the store's clock. */
  #unlinked: ReadonlyMap<string, number> = new Map();
  readonly #sizes = new Map<PlacedKey, PartSize>();
  /** The sharding of the sizes; undefined before any view. */
  #sharding: number | undefined;

  constructor(options: ControllerOptions = defaultControllerOptions) {
    this.#options = options;
  }

  /**
   * The store did not answer: hosts could not renew their leases either, so all of them get one
   * lease's time after it returns.
   */
  lostContact(): void {
    this.#wasAway = true;
  }

  /** The steps to make now. */
  observe(view: MeshView): ControllerStep[] {
    if (this.#wasAway) {
      this.#wasAway = false;
      this.#patientUntilMs = view.nowMs + this.#options.patienceMs;
    }
    this.#remember(view);
    const removals = this.#removals(view);
    // Placements are decided from the state without these hosts.
    if (removals.length > 0) return removals;
    const aborts = this.#abortsOfMoves(view);
    if (aborts.length > 0) return aborts;
    const restores = kinds.flatMap((kind) => this.#restores(view, kind));
    if (restores.length > 0) return restores;
    const overdue = this.#overdueParts(view);
    if (overdue.length > 0) return overdue;
    const { reshard } = view;
    if (reshard?.state === "begun" && reshardStep(view)?.kind === "done") {
      const { parts, division } = reshard;
      return [{ kind: "endReshard", change: { parts, division } }];
    }
    // The shards that would move are given up soon.
    if (view.reshard?.parts === "shards" && view.reshard.state === "asked") return [];
    return [...this.#plannedMoves(view), ...kinds.flatMap((kind) => this.#moves(view, kind))]
      .slice(0, 1);
  }

  #remember(view: MeshView): void {
    this.#followSharding(view);
    const seen = new Map<PlacedKey, { readonly step: string; readonly sinceMs: number }>();
    for (const [key, placement] of view.placements) {
      const size = reportedSize(view, key);
      if (size !== undefined) this.#sizes.set(key, size);
      const step = stepOf(view, key, placement);
      if (step === undefined) continue;
      const before = this.#seen.get(key);
      seen.set(key, before?.step === step ? before : { step, sinceMs: view.nowMs });
    }
    this.#seen = seen;
    const plan = activePlan(view);
    const unlinked = plan === undefined
      ? []
      : plan.moves.filter((move) => isOpen(view, move) && isUnlinked(view, move))
        .map((move) => nameOf(plan, move));
    this.#unlinked = new Map(
      unlinked.map((name) => [name, this.#unlinked.get(name) ?? view.nowMs]),
    );
  }

  /** Gives each shard of a new sharding an even share of the rows until its owner reports them. */
  #followSharding(view: MeshView): void {
    const { sharding, shards } = view.identity;
    const before = this.#sharding;
    this.#sharding = sharding;
    if (before === undefined || before === sharding) return;
    const known = [...this.#sizes].filter(([key]) => key.startsWith("shard/"));
    for (const [key] of known) this.#sizes.delete(key);
    const share = (of: keyof PartSize) =>
      Math.ceil(known.reduce((sum, [, size]) => sum + size[of], 0) / shards);
    const size: PartSize = { rows: share("rows"), bytes: share("bytes") };
    for (let shard = 0; shard < shards; shard++) this.#sizes.set(`shard/${shard}`, size);
  }

  #removals(view: MeshView): ControllerStep[] {
    if (this.#isPatient(view)) return [];
    return [...view.hosts.values()].filter(({ expiresMs }) => expiresMs <= view.nowMs)
      .map(({ host, incarnation, expiresMs }) => ({
        kind: "removeHost",
        run: { host, incarnation },
        reason: `the lease of ${host} expired ${view.nowMs - expiresMs} ms ago`,
      }));
  }

  /** Whether hosts may still have to come back from an absence of the store. */
  #isPatient({ nowMs }: MeshView): boolean {
    return nowMs < present(this.#patientUntilMs, "a view was observed");
  }

  /** Aborts of moves, one command each: they have nothing to do with each other. */
  #abortsOfMoves(view: MeshView): ControllerStep[] {
    const plan = knownPlan(view);
    return [...view.placements].flatMap(([key, placement]): ControllerStep[] => {
      if (placement.state !== "moving") return [];
      const { owner, target, phase } = placement;
      if (!isLive(view, owner)) return [];
      const abort = (reason: string): ControllerStep[] => [
        place([{ key, expected: placement, next: { state: "active", owner }, reason }], reason),
      ];
      if (!isLive(view, target)) {
        return abort(`${target.host} is gone, so ${key} stays on ${owner.host}`);
      }
      if (view.hosts.get(target.host)?.state === "draining") {
        return abort(`${target.host} is draining, so ${key} stays on ${owner.host}`);
      }
      if (plan?.state === "cancelled" && isMoveOf(plan, key, placement)) {
        return abort(`the plan was cancelled, so ${key} stays on ${owner.host}`);
      }
      if (plan !== undefined && isRolledBack(view, plan, key, placement)) {
        return abort(`the plan was rolled back, so ${key} stays on ${owner.host}`);
      }
      if (!canCopy(view, owner.host, target.host)) {
        return abort(`${owner.host} has no link with ${target.host}, so it keeps ${key}`);
      }
      const { sinceMs } = present(this.#seen.get(key), "moves are remembered");
      const { frozenMsMax, fillingMsMax } = this.#options;
      const limitMs = phase === "frozen" ? frozenMsMax : fillingMsMax;
      if (view.nowMs - sinceMs < limitMs) return [];
      return abort(`${key} was ${phase} for ${limitMs} ms: its move to ${target.host} ends`);
    });
  }

  /** Gives everything without a living owner to a host, in one step a kind. */
  #restores(view: MeshView, kind: PlacedKind): ControllerStep[] {
    const plan = planPlacement(hostViews(view, kind), shardViews(view, kind, this.#sizes), {
      ...this.#options,
      balances: false,
    }, placementWords[kind]);
    const restores = changesOf(plan).filter((change) => change.kind === "restores");
    if (restores.length === 0) return [];
    const changes = restores.map(({ shard, to, reason }) => ({
      ...changeOf(view, `${kind}/${shard}`, { state: "restoring", owner: runOf(view, to) }),
      reason,
    }));
    // A shard that had an owner has lost the updates since the manifest. A partition's reader only
    // reads its log again.
    const rewind = kind === "shard" && changes.some(({ expected }) => expected.epoch > 0);
    const [{ reason }] = restores;
    const others = restores.length > 1 ? `, and ${restores.length - 1} more` : "";
    return [place(changes, `${kind}/${restores[0].shard}: ${reason}${others}`, rewind)];
  }

  /**
   * Gives a part that its living host does not restore in time to another host, if there is one: an
   * unreadable disk or a missing library may be that host's alone. The same with a part whose host
   * is cut off for as long. One part a round. A host could not report while the store was away, so
   * it has the time of a lease to do that.
   */
  #overdueParts(view: MeshView): ControllerStep[] {
    if (this.#isPatient(view)) return [];
    const { restoringMsMax } = this.#options;
    for (const [key, placement] of view.placements) {
      const seen = this.#seen.get(key);
      if (seen === undefined || placement.state === "moving" || placement.state === "unassigned") {
        continue;
      }
      if (seen.step.endsWith("waits") || view.nowMs - seen.sinceMs < restoringMsMax) continue;
      const { host } = placement.owner;
      const to = this.#otherHost(view, key, host);
      if (to === undefined) continue;
      const change = changeOf(view, key, { state: "restoring", owner: runOf(view, to) });
      const reason = placement.state === "restoring"
        ? `${host} has not restored ${key} within ${restoringMsMax} ms: ${to} does`
        : `${
          hostsHave(reachIn(view, parsePlacedKey(key).kind, host).unreachedBy)
        } had no link with ${host} for ${restoringMsMax} ms: ${to} takes ${key} over`;
      return [
        place([{ ...change, reason }], reason, key.startsWith("shard/") && placement.epoch > 0),
      ];
    }
    return [];
  }

  /** The host that would restore a part if `host` took none; undefined where it is cut off. */
  #otherHost(view: MeshView, key: PlacedKey, host: string): string | undefined {
    const { kind, number } = parsePlacedKey(key);
    const hosts = hostViews(view, kind)
      .map((each) => each.host === host ? { ...each, state: "draining" as const } : each);
    const parts = shardViews(view, kind, this.#sizes).map((part) =>
      part.shard === number
        ? { ...part, placement: { kind: "unassigned" as const, epoch: part.placement.epoch } }
        : part
    );
    const options = { ...this.#options, balances: false };
    const plan = planPlacement(hosts, parts, options, placementWords[kind]);
    const to = changesOf(plan).find((change) =>
      change.kind === "restores" && change.shard === number
    )?.to;
    return to === undefined || isCutOff(reachIn(view, kind, to)) ? undefined : to;
  }

  /** The next moves that a drain or the balance of the hosts asks for. */
  #moves(view: MeshView, kind: PlacedKind): ControllerStep[] {
    const active = activePlan(view);
    const planned = active && plannedIn(view, active, kind);
    const balances = this.#options.balances && mayBalance(view);
    const plan = planPlacement(
      hostViews(view, kind),
      shardViews(view, kind, this.#sizes),
      { ...this.#options, balances, ...(planned && { planned }) },
      placementWords[kind],
    );
    return changesOf(plan).filter((change) => change.kind === "moves")
      .slice(0, kind === "shard" ? Infinity : movesLeft(view, kind, this.#options.movesMax))
      .map(({ shard, to, reason }) => {
        const key: PlacedKey = `${kind}/${shard}`;
        return place([{ ...moveOf(view, key, runOf(view, to)), reason }], `${key}: ${reason}`);
      });
  }

  /** Moves that can still be made. One between hosts without a link is given up after a while. */
  #openMoves(view: MeshView, plan: PlanDocument): PlannedMove[] {
    return plan.moves.filter((move) => {
      const sinceMs = this.#unlinked.get(nameOf(plan, move)) ?? view.nowMs;
      return isOpen(view, move) && view.nowMs - sinceMs < this.#options.restoringMsMax;
    });
  }

  /** The next move of the operator's plan; the plan's end where there is none. */
  #plannedMoves(view: MeshView): ControllerStep[] {
    const plan = activePlan(view);
    if (plan === undefined) return [];
    const open = this.#openMoves(view, plan);
    if (open.length === 0) {
      // Hosts that could not renew their leases look as if they were gone.
      if (this.#isPatient(view)) return [];
      const { edition } = present(view.plan, "the plan was read");
      return [{ kind: "writePlan", edition, document: encodePlan(endedPlan(plan, view)) }];
    }
    return open.flatMap((move) => {
      const { key, from, to } = move;
      const placement = placementOf(view, key);
      if (placement.state !== "active" || placement.owner.host !== from) return [];
      if (!mayBegin(view, move)) return [];
      if (movesLeft(view, parsePlacedKey(key).kind, plan.movesMax) === 0) return [];
      const target = runOf(view, to);
      const reason = `planned from ${from} to ${to}`;
      return [place([{ ...moveOf(view, key, target), reason }], `${key}: ${reason}`)];
    }).slice(0, 1);
  }
}

/** The parts of a kind that a plan moves, each with the host to which it is still to move. */
function plannedIn(
  view: MeshView,
  { moves }: PlanDocument,
  kind: PlacedKind,
): ReadonlyMap<number, string | undefined> {
  return new Map(
    moves.filter(({ key }) => parsePlacedKey(key).kind === kind).map((move) =>
      [parsePlacedKey(move.key).number, isLeft(view, move) ? move.to : undefined] as const
    ),
  );
}

/** A name of a planned move that no move of another plan has. */
function nameOf({ firstEdition }: PlanDocument, { key, to }: PlannedMove): string {
  return `${firstEdition} ${key} ${to}`;
}

/** Whether a planned move has begun or can be begun once its hosts answer and have a link. */
function isOpen(view: MeshView, move: PlannedMove): boolean {
  const { key, from, to } = move;
  // Another number of shards or of trainers may have come since.
  const placement = view.placements.get(key);
  if (placement === undefined) return false;
  if (isBegun(placement, move)) return true;
  if (placement.state === "moving" || placement.state === "unassigned") return false;
  const target = view.hosts.get(to);
  return placement.owner.host === from && target?.state === "up" &&
    target.roles.includes(rolesOf[parsePlacedKey(key).kind]);
}

/** Whether a shard is to be copied between hosts that have no link now. */
function isUnlinked(view: MeshView, move: PlannedMove): boolean {
  const { key, from, to } = move;
  return key.startsWith("shard/") && !isBegun(placementOf(view, key), move) &&
    !canCopy(view, from, to);
}

/** Whether an open move that has not begun may begin now. */
function mayBegin(view: MeshView, move: PlannedMove): boolean {
  const target = present(view.hosts.get(move.to), "an open move has a target");
  return target.expiresMs > view.nowMs && !isUnlinked(view, move);
}

/** Moves of a kind that may begin now. A reader that changes its host is restored there at once. */
function movesLeft(view: MeshView, kind: PlacedKind, movesMax: number): number {
  const underway = numbersOf(rangeOf(view, kind)).map((number) =>
    placementOf(view, `${kind}/${number}`)
  ).filter(({ state }) => state === (kind === "shard" ? "moving" : "restoring"));
  return Math.max(0, movesMax - underway.length);
}

/**
 * The step at which a part is, which has a limited time; undefined where it has none. The reader of
 * a partition waits for the shards, so its time begins when all shards are there. An active part
 * has a limited time where its host is cut off.
 */
function stepOf(view: MeshView, key: PlacedKey, placement: Placement): string | undefined {
  if (placement.state === "moving") {
    return `${placement.epoch} ${placement.target.incarnation} ${placement.phase}`;
  }
  if (placement.state === "active" && isLive(view, placement.owner)) {
    const { kind } = parsePlacedKey(key);
    const { host } = placement.owner;
    return isCutOff(reachIn(view, kind, host)) ? `${placement.epoch} cut off` : undefined;
  }
  if (placement.state !== "restoring") return undefined;
  const waits = !key.startsWith("shard/") &&
    Array.from(view.placements).some(([other, { state }]) =>
      other.startsWith("shard/") && (state === "restoring" || state === "unassigned")
    );
  return `${placement.epoch} restoring${waits ? " waits" : ""}`;
}

/** How the others reach a host of the view. */
function reachIn(view: MeshView, kind: PlacedKind, host: string): HostReach {
  return reachOf(view, kind, present(view.hosts.get(host), "the view has the host"));
}

/** Whether a shard can be copied between two hosts. */
function canCopy(view: MeshView, from: string, to: string): boolean {
  const owner = view.hosts.get(from);
  return owner === undefined || !reachOf(view, "shard", owner).noCopies.includes(to);
}

/** Whether a rollback ends a copy that the plan before has begun. A drain may begin it again. */
function isRolledBack(
  view: MeshView,
  plan: PlanDocument,
  key: PlacedKey,
  placement: Placement,
): boolean {
  return placement.state === "moving" && plan.kind === "rollback" &&
    (plan.state === "active" || plan.state === "cancelled") &&
    view.hosts.get(placement.owner.host)?.state === "up" &&
    plan.moves.some((move) => move.key === key && isReverse(placement, move));
}

function isMoveOf(plan: PlanDocument, key: PlacedKey, placement: Placement): boolean {
  return placement.state === "moving" &&
    plan.moves.some((move) => move.key === key && isBegun(placement, move));
}
