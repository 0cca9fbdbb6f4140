/**
 * The steps at the coordination store of `cairn apply`, `cairn cancel` and `cairn rollback`, as far
 * as they concern plans of moves.
 */
import type { Coordination, MeshView, PlanRecord } from "../ports/coordination.ts";
import { present } from "../../structures/invariant.ts";
import {
  decodePlan,
  encodePlan,
  isAhead,
  isPlan,
  mayBalance,
  newPlan,
  type PlanDocument,
  type PlannedMove,
  reversed,
} from "./plan_document.ts";

/** Moves for the hosts to carry out. */
export interface Moves {
  readonly moves: readonly PlannedMove[];
  /** Live moves of each kind at the same time. */
  readonly movesMax: number;
  /** See {@link PlanDocument.balances}. */
  readonly balances: boolean;
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
  return view.plan !== undefined && isPlan(view.plan.document) &&
    lastPlan(view)?.state === "active";
}

/**
 * Writes moves as the plan, which replaces the last one. Without moves that is only needed where
 * the last one does something else.
 *
 * @returns The plan that was written; undefined where none is needed.
 * @throws {PlanConflictError} The plan or the mesh has changed since the view.
 */
export async function writeMoves(
  coordination: Coordination,
  view: MeshView,
  { moves, movesMax, balances }: Moves,
): Promise<PlanRecord | undefined> {
  const isChange = moves.length > 0 || balances !== mayBalance(view) ||
    (!balances && hasActivePlan(view));
  if (!isChange) return undefined;
  const { sharding, dealing } = view.identity;
  const edition = view.plan?.edition ?? 0;
  const firstEdition = edition + 1;
  const plan = newPlan({ firstEdition, sharding, dealing, moves, movesMax, balances });
  return await coordination.writePlan({ edition, version: view.version }, encodePlan(plan));
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
    encodePlan({ ...plan, state: "cancelled", balances: false }),
  );
}

/** The moves that bring the parts that a plan has moved, or moves now, back. */
export function movesBack(view: MeshView, plan: PlanDocument): PlannedMove[] {
  return reversed(plan).filter((move) => isLeft(view, move));
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

/** Whether a move is still to be made. */
export function isLeft(view: MeshView, move: PlannedMove): boolean {
  const placement = view.placements.get(move.key);
  return placement !== undefined && isAhead(placement, move);
}
