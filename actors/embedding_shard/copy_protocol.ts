/**
 * The messages of a live move. The copy asks the owner for its rows and their changes until few are
 * left, then to freeze: the owner applies nothing more, and hands over the rest. After the commit
 * the copy is the owner; after an abort the old owner goes on.
 *
 *     copy                           owner
 *      │ beginCopy ─────────────────▶ │ records changes
 *      │ copyRows, copyChanges … ───▶ │ applies gradients meanwhile
 *      │ finishCopy, awaitReport ───▶ │ frozen: gradients wait; its host tells the store
 *      │ ◀─ last changes, marks, deltas, digests
 *      │ compares digests
 *      │ ◀─ the store knows ───────── │ freezeReported
 *      ▼ commit: the new owner        ▼ ends; waiting messages are asked there
 *        abort: freed                   abandonCopy: handles them
 */
import type { Address, Request } from "../../mesh/runtime/actor.ts";
import type {
  CopyChanges,
  CopyCursor,
  CopyEnd,
  CopyPage,
} from "../../kernels/embedding/class_copy.ts";
import type { SnapshotHeader } from "../../kernels/embedding/table_snapshot.ts";
import type { HandedDeltas } from "./delta_stream.ts";
import type { LearnedChunk } from "./protocol.ts";

/** The owner, as a copy of it begins. */
export interface CopyBegun {
  readonly incarnation: string;
  /** By class. */
  readonly headers: readonly SnapshotHeader[];
}

/** Begins a copy. An earlier one ends, and an owner that was frozen for it goes on. */
export interface BeginCopy extends Request<CopyBegun> {
  readonly kind: "beginCopy";
  /** A fresh name, which the later messages repeat. */
  readonly copy: string;
}

/** Asks for whole rows, page by page until `done`. */
export interface CopyRows extends Request<CopyPage> {
  readonly kind: "copyRows";
  readonly copy: string;
  /** From the page before; absent for the first. */
  readonly cursor?: CopyCursor;
  readonly rowsMax: number;
}

/** Asks for the rows that changed since the last changes that the copy has applied. */
export interface GetCopyChanges extends Request<CopyChanges> {
  readonly kind: "getCopyChanges";
  readonly copy: string;
  /** By class, the sequence of these last changes. */
  readonly applied: readonly number[];
  readonly rowsMax: number;
}

/** Everything of a shard that its rows do not hold. */
export interface ShardHandover {
  readonly end: CopyEnd;
  readonly incarnation: string;
  /** How often the shard has moved since its incarnation began. */
  readonly moves: number;
  /** By source, the newest sequence applied. */
  readonly marks: readonly (readonly [source: string, sequence: number])[];
  /** By source, the chunk of the newest gradients. */
  readonly chunks: readonly (readonly [source: string, chunk: LearnedChunk])[];
  /** By source, the number of the current opening. */
  readonly epochs: readonly (readonly [source: string, epoch: number])[];
  /** Undefined where the replicas have to read all rows again. */
  readonly deltas: HandedDeltas | undefined;
}

/**
 * Freezes the owner: gradients wait from now on, until the move is committed or given up. Answers
 * with changes, and with the handover where they are the last ones; asked again otherwise, and
 * where the answer is lost.
 */
export interface FinishCopy
  extends Request<{ readonly changes: CopyChanges; readonly handover?: ShardHandover }> {
  readonly kind: "finishCopy";
  readonly copy: string;
  readonly applied: readonly number[];
  readonly rowsMax: number;
}

/** Waits until the store knows that the owner is frozen for this copy, or the move is given up. */
export interface AwaitReport extends Request<void> {
  readonly kind: "awaitReport";
  readonly copy: string;
}

/** The owner's host has told the store that the shard is frozen for this copy. */
export interface FreezeReported {
  readonly kind: "freezeReported";
  readonly copy: string;
}

/** Gives up a copy: a frozen owner goes on. No error where there is no such copy. */
export interface AbandonCopy extends Request<void> {
  readonly kind: "abandonCopy";
  /** Absent = whichever copy there is. */
  readonly copy?: string;
}

/** The owner's part in the copy that was begun last. */
export interface GivingState {
  readonly copy: string;
  readonly isFrozen: boolean;
  /** Time since the freeze, or since the start of a shard that has crashed while frozen, ms. */
  readonly frozenForMs: number;
}

/** Asks for the copy that was begun last; undefined where there is none, or it was given up. */
export interface GetGiving extends Request<GivingState | undefined> {
  readonly kind: "getGiving";
}

/**
 * Asks for the owner's part in a copy once it is frozen, which may be after the ask's budget. The
 * shard holds one such ask: a later one, or a stop, has it answered with the present state.
 */
export interface AwaitFreeze extends Request<GivingState | undefined> {
  readonly kind: "awaitFreeze";
}

/** The messages of a copy that has begun. */
export type CopyRequest = CopyRows | GetCopyChanges | FinishCopy | AwaitReport;

/** The messages that an owner understands about a copy. */
export type GivingMessage =
  | BeginCopy
  | CopyRequest
  | FreezeReported
  | AbandonCopy
  | GetGiving
  | AwaitFreeze;

/** The copy is not the one that was begun last: it has to begin anew. */
export class CopyLostError extends Error {
  override readonly name = "CopyLostError";
  constructor(shard: number, copy: string, why: string) {
    super(`The copy ${copy} of embedding_shard/${shard} is void: ${why}. Begin another one.`);
  }
}

/** The shard is frozen for the end of a move. */
export class ShardMovingError extends Error {
  override readonly name = "ShardMovingError";
  constructor(shard: number, action: string) {
    super(
      `embedding_shard/${shard} cannot ${action}: it is about to move. Ask again in a moment.`,
    );
  }
}

// ---- the copy

/** How far a copy is. */
export interface CopyProgress {
  /** `following`: all rows were copied once, and their changes follow. */
  readonly state: "filling" | "following" | "verified" | "failed";
  /** Rows and bytes that were copied. */
  readonly rows: number;
  readonly bytes: number;
  /** Rows in the last changes: how far the copy is behind. */
  readonly behindRows: number;
  /** Why it failed. */
  readonly reason?: string;
}

/** Asks for {@link CopyProgress}. */
export interface GetCopyProgress extends Request<CopyProgress> {
  readonly kind: "getCopyProgress";
}

/**
 * Freezes the owner, takes the rest and compares both sides. Fails where they differ. Answered when
 * the store knows of the freeze, so that the node of the copy may make it the owner.
 */
export interface VerifyCopy extends Request<{ readonly rows: number }> {
  readonly kind: "verifyCopy";
}

/** Takes the next page, or the next changes; the copy's own timer. */
export interface CopyMore {
  readonly kind: "copyMore";
}

/** The protocol of a copy, `shard_copy/N`. */
export type ShardCopyMessage = GetCopyProgress | VerifyCopy | CopyMore;

/** Plain data: the copy of one shard. */
export interface ShardCopyOptions {
  readonly shard: number;
  /** The owner. */
  readonly owner: Address;
  readonly copy: string;
  /** Rows of a page, and of changes, which bound a turn of the owner. */
  readonly rowsMax: number;
  /** Pause between two takings of changes once all rows were copied, ms. */
  readonly followIntervalMs: number;
  readonly budgetMs: number;
}
