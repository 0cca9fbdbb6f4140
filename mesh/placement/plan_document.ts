/**
 * The plan that an operator has applied, as the coordination store keeps it. The controller carries
 * it out; a later plan replaces it.
 */
import type {
  HostRecord,
  MeshIdentity,
  MeshView,
  PlacedKey,
  Placement,
} from "../ports/coordination.ts";
import type { Json } from "../ports/record_store.ts";

/** One move of a shard, a joiner or a trainer that the operator wants. */
export interface PlannedMove {
  readonly key: PlacedKey;
  readonly from: string;
  readonly to: string;
}

/** The format of the plans that this build writes, and the only one that it reads. */
export const PLAN_FORMAT = 7;

export interface PlanDocument {
  readonly format: typeof PLAN_FORMAT;
  /** The operator's command: new moves, or the way back of those of the plan before. */
  readonly kind: "apply" | "rollback";
  /**
   * `incomplete` = it has ended, and parts are not on the hosts to which it was to move them, or
   * were given up before.
   */
  readonly state: "active" | "cancelled" | "done" | "incomplete";
  /** These parts of an incomplete plan, as of its end. */
  readonly elsewhere?: readonly PlacedKey[];
  /** The edition that the operator's command wrote; the plan's end has a later one. */
  readonly firstEdition: number;
  /** The division of the ids among shards to which the moves of shards belong. */
  readonly sharding: number;
  /** The division of the partitions among trainers to which the moves of trainers belong. */
  readonly dealing: number;
  readonly moves: readonly PlannedMove[];
  /** Moves of parts that the mesh has given up since, with their division: no host makes them. */
  readonly voided: readonly PlannedMove[];
  /** Live moves of each kind at the same time. */
  readonly movesMax: number;
}

/** A plan that begins now, and is done where it moves nothing. */
export function newPlan(plan: Omit<PlanDocument, "format" | "state" | "voided">): PlanDocument {
  const state = plan.moves.length > 0 ? "active" : "done";
  return { format: PLAN_FORMAT, state, voided: [], ...plan };
}

/** A plan at its end: none of its moves can be made any more. */
export function endedPlan(
  plan: PlanDocument,
  { placements }: Pick<MeshView, "placements">,
): PlanDocument {
  const elsewhere = plan.moves.filter(({ key, to }) => {
    const placement = placements.get(key);
    return placement !== undefined &&
      (placement.state === "unassigned" || placement.owner.host !== to);
  }).map(({ key }) => key);
  return {
    ...plan,
    state: elsewhere.length + plan.voided.length > 0 ? "incomplete" : "done",
    ...(elsewhere.length > 0 && { elsewhere }),
  };
}

/** The document as the store takes it. */
export function encodePlan(
  { format, kind, state, elsewhere, firstEdition, sharding, dealing, moves, voided, movesMax }:
    PlanDocument,
): Json {
  return {
    format,
    kind,
    state,
    ...(elsewhere && { elsewhere }),
    firstEdition,
    sharding,
    dealing,
    moves: [...moves, ...voided].map(({ key, from, to }) => ({ key, from, to })),
    movesMax,
  };
}

/** Whether this version of the program can read a document. */
function isPlan(document: Json): boolean {
  const plan = document as unknown as PlanDocument;
  return typeof document === "object" && document !== null && plan.format === PLAN_FORMAT &&
    Array.isArray(plan.moves);
}

/**
 * The plan in a document. Moves of shards and trainers that the mesh has no more are voided: after
 * a change of their number, or a loss that was accepted, the same keys name other rows, or other
 * partitions.
 *
 * @throws {PlanFormatError} When another version of the program wrote the document.
 */
export function decodePlan(
  document: Json,
  { sharding, dealing }: Pick<MeshIdentity, "sharding" | "dealing">,
): PlanDocument {
  if (!isPlan(document)) throw new PlanFormatError();
  const plan = document as unknown as PlanDocument;
  const isVoid = ({ key }: PlannedMove) =>
    (plan.sharding !== sharding && key.startsWith("shard/")) ||
    (plan.dealing !== dealing && key.startsWith("trainer/"));
  return {
    ...plan,
    moves: plan.moves.filter((move) => !isVoid(move)),
    voided: plan.moves.filter(isVoid),
  };
}

/**
 * The last plan; undefined where there is none, or one of another version of the program, which the
 * hosts do not carry out and the commands name: hosts that are lost are replaced all the same.
 */
export function knownPlan(
  { plan, identity }: Pick<MeshView, "plan" | "identity">,
): PlanDocument | undefined {
  return plan && isPlan(plan.document) ? decodePlan(plan.document, identity) : undefined;
}

/** The last plan, while the hosts carry it out. */
export function activePlan(view: Pick<MeshView, "plan" | "identity">): PlanDocument | undefined {
  const plan = knownPlan(view);
  return plan?.state === "active" ? plan : undefined;
}

/**
 * Whether hosts with `mesh.balance` may even out by themselves: not after a rollback or a cancel,
 * until an apply, since they would make the same moves again.
 */
export function mayBalance(view: Pick<MeshView, "plan" | "identity">): boolean {
  const plan = knownPlan(view);
  if (plan === undefined) return true;
  const { kind, state } = plan;
  return kind === "apply" && state !== "cancelled";
}

/** The plan's moves in the other direction, the last one first. */
export function reversed({ moves }: PlanDocument): PlannedMove[] {
  return moves.toReversed().map(({ key, from, to }) => ({ key, from: to, to: from }));
}

/**
 * Whether a move has begun and not ended. A shard is copied while its owner keeps it. A joiner or a
 * trainer has its new owner at once, which then begins to read.
 */
export function isBegun(placement: Placement, { key, from, to }: PlannedMove): boolean {
  return key.startsWith("shard/")
    ? placement.state === "moving" && placement.owner.host === from && placement.target.host === to
    : placement.state === "restoring" && placement.owner.host === to;
}

/** Whether a part is still where the move begins, on its way, or on its way to that beginning. */
export function isAhead(placement: Placement, move: PlannedMove): boolean {
  return isBegun(placement, move) || isReverse(placement, move) ||
    (placement.state !== "unassigned" && placement.owner.host === move.from);
}

/** Whether a move is still to be made. */
export function isLeft({ placements }: Pick<MeshView, "placements">, move: PlannedMove): boolean {
  const placement = placements.get(move.key);
  return placement !== undefined && isAhead(placement, move);
}

/** Whether a shard is copied in the other direction: giving that up makes the move. */
export function isReverse(placement: Placement, { from, to }: PlannedMove): boolean {
  return placement.state === "moving" && placement.owner.host === to &&
    placement.target.host === from;
}

/** The store holds a plan that this version of the program cannot read. */
export class PlanFormatError extends Error {
  override readonly name = "PlanFormatError";
  constructor() {
    super(
      "The plan in the store was written by another version of the program: apply it again with " +
        "this version, or use the version that wrote it.",
    );
  }
}

/** Hosts of the mesh run builds that cannot read the plans of this one. */
export class PlanReadersError extends Error {
  override readonly name = "PlanReadersError";
  constructor(hosts: readonly Pick<HostRecord, "host" | "planFormat">[]) {
    const others = hosts.map(({ host, planFormat }) => `${host} (format ${planFormat})`).join(", ");
    super(
      `The hosts would not carry this plan out: it has format ${PLAN_FORMAT}, and ${others} cannot ` +
        "read that. Run this command with the version of the program that the hosts run, or when " +
        "all of them run this one.",
    );
  }
}
