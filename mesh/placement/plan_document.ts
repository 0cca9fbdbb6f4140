/**
 * The plan that an operator has applied, as the coordination store keeps it. The controller carries
 * it out; a later plan replaces it.
 */
import type { Json } from "../ports/record_store.ts";

/** One move of a shard that the operator wants. */
export interface PlannedMove {
  readonly shard: number;
  readonly from: string;
  readonly to: string;
}

export interface PlanDocument {
  readonly format: 1;
  readonly state: "active" | "cancelled" | "done";
  readonly moves: readonly PlannedMove[];
  /** Live moves at the same time. */
  readonly movesMax: number;
}

/** The document as the store takes it. */
export function encodePlan({ format, state, moves, movesMax }: PlanDocument): Json {
  return {
    format,
    state,
    moves: moves.map(({ shard, from, to }) => ({ shard, from, to })),
    movesMax,
  };
}

/** @throws {PlanFormatError} When another version of the program wrote the document. */
export function decodePlan(document: Json): PlanDocument {
  const plan = document as unknown as PlanDocument;
  const isKnown = typeof document === "object" && document !== null && plan.format === 1 &&
    Array.isArray(plan.moves);
  if (!isKnown) throw new PlanFormatError();
  return plan;
}

/** The plan's moves in the other direction, the last one first. */
export function reversed({ moves, movesMax }: PlanDocument): PlanDocument {
  const back = moves.toReversed().map(({ shard, from, to }) => ({ shard, from: to, to: from }));
  return { format: 1, state: "active", moves: back, movesMax };
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
