/**
 * The steps at the coordination store of `cairn apply`, `cairn cancel` and `cairn rollback`, as far
 * as they concern plans of moves.
 */
import type { Coordination, MeshView, PlanRecord } from "../ports/coordination.ts";
import { present } from "../../structures/invariant.ts";
import {
  activePlan,
  decodePlan,
  encodePlan,
  isBegun,
  isLeft,
  mayBalance,
  newPlan,
  PLAN_FORMAT,
  type PlanDocument,
  type PlannedMove,
  PlanReadersError,
  reversed,
} from "./plan_document.ts";

/** Moves for the hosts to carry out. */
export type Moves = Pick<PlanDocument, "kind" | "moves" | "movesMax">;

/** The plan after a command. */
export interface Written {
  /** Undefined where the command has nothing to do. */
  readonly plan: PlanRecord | undefined;
  /** Whether the plan was under way before, with the moves that the command asks for. */
  readonly isJoined: boolean;
  /** The moves that are left, those of the plan before that have begun among them. */
  readonly moves: readonly PlannedMove[];
}

/**
 * The last plan; undefined where none was applied.
 *
 * @throws {PlanFormatError} When another version of the program wrote it.
 */
export function lastPlan({ plan, identity }: MeshView): PlanDocument | undefined {
  return plan && decodePlan(plan.document, identity);
}

/** Whether the hosts carry a plan out; one of another version of the program they do not. */
export function hasActivePlan(view: MeshView): boolean {
  return activePlan(view) !== undefined;
}

/**
 * Writes moves as the plan, which replaces the last one; the moves that this one has begun are
 * among those of the new one, so that a rollback takes them back too. Joins the last plan where
 * these are the moves that it has left. Without moves a plan is only needed where the last one does
 * something else.
 *
 * @throws {PlanConflictError} The plan or the mesh has changed since the view.
 * @throws {PlanReadersError} A host, which may decide what moves, cannot read the plan.
 */
export async function writeMoves(
  coordination: Coordination,
  view: MeshView,
  { kind, moves: asked, movesMax }: Moves,
): Promise<Written> {
  const active = activePlan(view);
  const begun = active?.moves.filter((move) =>
    isUnderWay(view, move) && !asked.some(({ key }) => key === move.key)
  );
  const moves = [...begun ?? [], ...asked];
  if (
    active?.kind === kind && active.movesMax === movesMax && active.voided.length === 0 &&
    isSame(active.moves.filter((move) => isLeft(view, move)), moves)
  ) {
    return { plan: view.plan, isJoined: true, moves };
  }
  const isChange = moves.length > 0 || (kind === "apply") !== mayBalance(view) ||
    (kind === "rollback" && active !== undefined);
  if (!isChange) return { plan: undefined, isJoined: false, moves };
  const { sharding, dealing } = view.identity;
  const edition = view.plan?.edition ?? 0;
  const firstEdition = edition + 1;
  const next = newPlan({ kind, firstEdition, sharding, dealing, moves, movesMax });
  const expected = { edition, version: view.version };
  requireReaders(view);
  const written = await coordination.writePlan(expected, encodePlan(next));
  return { plan: written, isJoined: false, moves };
}

function requireReaders({ hosts, nowMs }: MeshView): void {
  const others = [...hosts.values()].filter(({ planFormat, expiresMs }) =>
    expiresMs > nowMs && planFormat !== PLAN_FORMAT
  );
  if (others.length > 0) throw new PlanReadersError(others);
}

/** Whether two lists have the same moves, in any order; each moves a part once. */
function isSame(a: readonly PlannedMove[], b: readonly PlannedMove[]): boolean {
  return a.length === b.length &&
    a.every(({ key, from, to }) =>
      b.some((move) => move.key === key && move.from === from && move.to === to)
    );
}

/**
 * Ends an active plan; the hosts do not make its moves by themselves then.
 *
 * @throws {PlanConflictError} The plan has changed since the view.
 */
export async function cancelPlan(coordination: Coordination, view: MeshView): Promise<PlanRecord> {
  const plan = present(lastPlan(view), "an active plan was read");
  const { edition } = present(view.plan, "an active plan was read");
  return await coordination.writePlan(
    { edition },
    encodePlan({ ...plan, state: "cancelled" }),
  );
}

/**
 * The moves that bring the parts that a plan has moved, or moves now, back. A rollback does that
 * itself: these are the moves that it has left.
 */
export function movesBack(view: MeshView, plan: PlanDocument): PlannedMove[] {
  if (plan.kind === "rollback" && plan.state === "done") return [];
  const back = plan.kind === "rollback" ? plan.moves : reversed(plan);
  return back.filter((move) => isLeft(view, move));
}

/**
 * Whether a plan that moves parts was written after the last change of the number of shards,
 * trainers or partitions, which moves none; true where none was made.
 */
export function isPlanLast({ reshard }: MeshView, plan: PlanDocument | undefined): boolean {
  if (reshard === undefined || reshard.state === "cancelled") return true;
  // Not the newest edition: the controller writes one at the end of a plan.
  return plan !== undefined && plan.moves.length > 0 && reshard.planBefore < plan.firstEdition;
}

function isUnderWay(view: MeshView, move: PlannedMove): boolean {
  const placement = view.placements.get(move.key);
  return placement !== undefined && isBegun(placement, move);
}
