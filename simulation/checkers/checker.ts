/**
 * A checker watches one promise during a whole run. It sees the actors' messages,
 * at the logs and blobs, and at the clients, and reports the first moment at which its promise does
 * not hold.
 */
import type { Address, Message } from "../../mesh/runtime/actor.ts";
import type { Placement } from "../../mesh/ports/coordination.ts";
import type { Fault } from "../plan/fault.ts";
import type { PlanCommand } from "../plan/mesh_fault.ts";
import type { PlannedMove } from "../../mesh/placement/plan_document.ts";
import type { Reply, SentRequest } from "../world/client.ts";

/** The part of a run that a checker may use. */
export interface CheckerContext {
  /** Virtual time since the run began, ms. */
  nowMs(): number;
  /** The promise does not hold; the first report ends the run. */
  fail(message: string): void;
}

/**
 * One promise, watched. Every method is called in the order in which things happen. `host` is that
 * of the actor, in a mesh of several processes.
 */
export interface Checker {
  /** Short and unique: `exactly-once`. */
  readonly name: string;
  /** A process begins or dies; its actors' state goes with it. */
  processBegan?(host?: string): void;
  processDied?(host?: string): void;
  /** A host's process could not start; it is started again. */
  startFailed?(host: string, error: unknown): void;
  /** The mesh has given a host up, or the host lacks rows that it is to have: its process ends. */
  hostRemoved?(host: string, error: Error): void;
  /** An incarnation of an actor is being made: its asks and timers begin. */
  creates?(actor: Address, host?: string): void;
  /** An incarnation of an actor begins. */
  began?(actor: Address, host?: string, options?: unknown): void;
  /** An actor asks for a message of its own after some time. */
  schedules?(actor: Address, message: Message, host?: string): void;
  /** An actor sends itself a message. */
  reminds?(actor: Address, message: Message, host?: string): void;
  /** An actor handles a message. */
  handles?(actor: Address, message: Message, host?: string): void;
  /** An actor answers a request. */
  answers?(actor: Address, request: Message, value: unknown, host?: string): void;
  /** A line of the log, and its reason, "" where it has none. */
  logged?(line: string, reason: string): void;
  /** An ask has not ended in time. */
  askLate?(from: Address, to: Address, kind: string, lateMs: number): void;
  /** A request is handled although its asker has given up. */
  handledLate?(actor: Address, kind: string): void;
  /** Records of a log became durable. */
  durable?(
    log: string,
    partition: number,
    records: readonly Uint8Array[],
    firstOffset: number,
  ): void;
  /** Records before `offset` are gone from a log. */
  trimmed?(log: string, partition: number, offset: number): void;
  /** A log on Redis ends here since a fail-over, which lost the records behind. */
  tailLost?(log: string, partition: number, endOffset: number): void;
  /** A log on Redis begins here since a fail-over, which brought trimmed records back. */
  trimLost?(log: string, partition: number, firstOffset: number): void;
  /** The operator gives up rows before this one: the example log and the snapshots lack some. */
  examplesGivenUp?(partition: number, row: number): void;
  /** Redis has failed over to an earlier state. */
  redisLost?(): void;
  /** The owner or the state of a shard or partition has changed. */
  placed?(key: string, before: Placement | undefined, after: Placement): void;
  /** The operator begins to drain a host, or knows that its drain has ended. */
  drains?(host: string, isDraining: boolean): void;
  /** The operator begins a command about plans. */
  commandBegan?(command: PlanCommand): void;
  /**
   * The operator knows that the store has taken a command about plans, with these moves; undefined
   * where there was nothing to do.
   */
  commandTaken?(command: PlanCommand, moves: readonly PlannedMove[] | undefined): void;
  blobStored?(name: string, bytes: Uint8Array): void;
  blobDeleted?(name: string): void;
  /** A client has an answer. */
  replied?(reply: Reply): void;
  /** The server notices that a client has hung up, at this time on the server's wall clock. */
  hungUp?(request: SentRequest, wallMs: number): void;
  fault?(fault: Fault): void;
  /** An actor used up its restarts. The process ends by it, unless it learns. */
  actorGone?(actor: Address, reason: string): void;
  /** Called after the world has healed and drained. */
  atEnd?(): void | Promise<void>;
}

/** Makes a checker for one run. */
export type CheckerFactory = (context: CheckerContext) => Checker;
