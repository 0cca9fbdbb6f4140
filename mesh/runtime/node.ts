/**
 * One thread's part of the mesh: it holds actors, gives them turns, and routes messages to actors
 * of other nodes.
 *
 * The order in which messages are handled depends on the order of sends and on the clock alone.
 */
import type { ActorDefinition, ActorRef, Address, AskOptions, Message } from "./actor.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Telemetry } from "../ports/telemetry.ts";
import { noTracing, type Tracing } from "../ports/tracing.ts";
import { ActorCell } from "./actor_cell.ts";
import type { CellHost } from "./cell_host.ts";
import type { CellContext } from "./actor_context.ts";
import type { ActorFailure, ActorStatistics } from "./actor_statistics.ts";
import { Ask } from "./ask.ts";
import { areAborted } from "./cancel_signal.ts";
import { ActorFailedError, AskCancelledError, CallCycleError, reasonOf } from "./errors.ts";
import type { NodeLink, ReceivedAsk } from "./node_link.ts";
import type { NodeOptions } from "./node_options.ts";
import { NodeRef } from "./node_ref.ts";
import { Routes } from "./routes.ts";
import { TurnScheduler } from "./turn_scheduler.ts";
import { UnsettledAsks } from "./unsettled_asks.ts";

/**
 * Time beyond the budget in which a linked node's own timeout error, which says where the time
 * went, may arrive, ms.
 */
const LINK_GRACE_MS = 50;

/** Budget of an ask that names none (Infinity), ms. */
const ASK_BUDGET_MS_DEFAULT = 60_000;

/** Work before the event loop gets its turn, ms. */
const TURN_MS_MAX = 4;

export class Node implements CellHost {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly tracing: Tracing;
  readonly #copyMessages: boolean;
  readonly #onFailure: ((failure: ActorFailure) => void) | undefined;

  readonly #cells = new Map<Address, ActorCell>();
  readonly #routes: Routes;
  readonly #turns: TurnScheduler;
  /** Links with something to send at the end of this turn. */
  #flushing: NodeLink[] = [];
  readonly #asks: UnsettledAsks;
  #deadLetters = 0;

  constructor(options: NodeOptions) {
    this.name = options.name;
    this.clock = options.clock;
    this.random = options.random;
    this.telemetry = options.telemetry;
    this.tracing = options.tracing ?? noTracing;
    this.#copyMessages = options.copyMessages ?? false;
    this.#onFailure = options.onFailure;
    this.#turns = new TurnScheduler({
      clock: this.clock,
      messagesMax: options.turnMessagesMax ?? 1024,
      msMax: TURN_MS_MAX,
      onTurnEnd: this.#flushLinks,
      ...(options.turnQueue !== undefined && { queue: options.turnQueue }),
    });
    this.#asks = new UnsettledAsks(this.clock);
    this.#routes = new Routes(this.name);
  }

  // ---- actors

  /**
   * Makes an actor here.
   *
   * @param key Second part of the address; with the definition's kind unique in the mesh.
   * @throws {ActorFailedError} When its `create` fails, or the address is taken.
   */
  async spawn<M extends Message, O>(
    definition: ActorDefinition<M, O>,
    key: string | number,
    options: O,
  ): Promise<ActorRef<M>> {
    const address: Address = `${definition.kind}/${key}`;
    const old = this.#cells.get(address);
    if (old && old.state !== "stopped") {
      throw new ActorFailedError(address, `the address is taken on ${this.name}`);
    }
    const cell = new ActorCell(
      definition as unknown as ActorDefinition<Message, unknown>,
      address,
      options,
      this,
    );
    this.#cells.set(address, cell);
    this.#routes.changed();
    try {
      await cell.start();
    } catch (error) {
      if (this.#cells.get(address) === cell) this.#cells.delete(address);
      this.#routes.changed();
      throw error;
    }
    return this.actorRef<M>(address);
  }

  /**
   * Ends one actor: it handles waiting messages for at most `drainMs`, then releases its resources.
   *
   * @param hasMoved Another node has the actor already: messages go there from now on.
   * @returns Messages and requests given up.
   */
  async stopActor(address: Address, drainMs: number, hasMoved = false): Promise<number> {
    const cell = this.#cells.get(address);
    if (!cell) return 0;
    if (hasMoved) this.#cells.delete(address);
    this.#routes.changed();
    let timer: { cancel(): void } | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.clock.schedule(drainMs, resolve);
    });
    const abandoned = await cell.stop(deadline);
    timer?.cancel();
    if (this.#cells.get(address) === cell) this.#cells.delete(address);
    this.#routes.changed();
    return abandoned;
  }

  /** Ends all actors, newest first, because an actor may depend on older ones; then the links. */
  async stop(drainMs = 5_000): Promise<void> {
    for (const address of [...this.#cells.keys()].reverse()) {
      await this.stopActor(address, drainMs);
    }
    this.#flushLinks();
    for (const link of this.#routes.links()) link.close();
    this.#asks.close();
  }

  /**
   * A handle to an actor for code outside the actors (the gateway, a test). Never fails; asking
   * may.
   */
  actorRef<M extends Message>(address: Address): ActorRef<M> {
    return new NodeRef(this, address, undefined) as unknown as ActorRef<M>;
  }

  statistics(): ActorStatistics[] {
    return [...this.#cells.values()].map((cell) => cell.statistics());
  }

  /** Messages that wait at an actor of this node; undefined where it has no such actor. */
  queued(address: Address): number | undefined {
    return this.#cells.get(address)?.queued;
  }

  /** Asks of this node that have no answer yet, by the kind of actor that is asked. */
  pendingAsks(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const address of this.#asks.receivers()) {
      const [kind] = address.split("/");
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return counts;
  }

  /** Told messages whose receiver was unknown or unreachable, or whose sender had ended. */
  get deadLetters(): number {
    return this.#deadLetters;
  }

  /**
   * Handlers that wait for something that is neither a message nor a timer of this mesh, e.g.
   * inference.
   */
  get handlersWaitingOutside(): number {
    let waiting = 0;
    for (const cell of this.#cells.values()) if (cell.waitsOutside) waiting++;
    return waiting;
  }

  /** Names these handlers and their messages. */
  describeWaiting(): string[] {
    return [...this.#cells.values()].filter((cell) => cell.waitsOutside).map((cell) =>
      `${cell.address} on ${this.name} in "${cell.currentMessage?.kind ?? "create"}"`
    );
  }

  // ---- turns

  ready(cell: ActorCell): void {
    this.#turns.ready(cell);
  }

  // ---- sending, for references

  get topology(): number {
    return this.#routes.version;
  }

  resolve(address: Address): ActorCell | NodeLink | undefined {
    return this.#cells.get(address) ?? this.#routes.linkTo(address);
  }

  knows(address: Address): boolean {
    return this.#cells.has(address) || this.#routes.knows(address);
  }

  createRef(address: Address, sender: CellContext): ActorRef<Message> {
    return new NodeRef(this, address, sender);
  }

  tell(
    target: ActorCell | NodeLink | undefined,
    address: Address,
    message: Message,
    transfer: readonly Transferable[] | undefined,
  ): void {
    if (target instanceof ActorCell) {
      target.deliverTell(this.#copyMessages ? copy(message, transfer) : message);
    } else if (target) {
      target.tell(address, message, transfer);
      this.scheduleFlush(target);
    } else this.#deadLetters++;
  }

  /** Counts a told message that is dropped because its sender's incarnation has ended. */
  dropTold(): void {
    this.#deadLetters++;
  }

  ask(
    resolved: ActorCell | NodeLink | undefined,
    address: Address,
    message: Message,
    options: AskOptions,
    sender: CellContext | undefined,
  ): Promise<unknown> {
    const target = options.bulk === true && resolved && !(resolved instanceof ActorCell)
      ? this.#routes.bulkLinkLike(resolved)
      : resolved;
    return new Promise((resolve, reject) => {
      const given = options.budgetMs;
      const budgetMs = given === Infinity ? ASK_BUDGET_MS_DEFAULT : Math.max(0, given);
      const nowMs = this.clock.monotonicMs();
      const remote = target !== undefined && !(target instanceof ActorCell);
      const copies = this.#copyMessages;
      const ask = new Ask({
        address,
        message: copies && !remote ? copy(message, options.transfer) : message,
        sentAtMs: nowMs,
        budgetMs,
        deadlineMs: nowMs + budgetMs + (remote ? LINK_GRACE_MS : 0),
        nodeName: remote ? target.peer : this.name,
        sender,
        parent: sender?.currentAsk,
        remoteChain: undefined,
        trace: options.trace ?? sender?.currentAsk?.innerTrace,
        signals: options.signals,
        onValue: copies && !remote ? (value, transfer) => resolve(copy(value, transfer)) : resolve,
        onError: reject,
      });
      this.#asks.add(ask);
      if (areAborted(ask.signals)) this.settleError(ask, new AskCancelledError(address));
      else if (target instanceof ActorCell) {
        if (target.busy && ask.isPartOf(target.currentAsk)) {
          this.settleError(ask, new CallCycleError(address, ask.chain()));
        } else target.deliverAsk(ask);
      } else if (target) {
        target.ask(ask, options.transfer);
        this.scheduleFlush(target);
      } else {
        this.settleError(ask, new ActorFailedError(address, this.#routes.whyUnreachable(address)));
      }
    });
  }

  settleValue(ask: Ask, value: unknown, transfer?: readonly Transferable[]): void {
    this.#asks.settleValue(ask, value, transfer);
  }

  settleError(ask: Ask, error: Error): void {
    this.#asks.settleError(ask, error);
  }

  expire(ask: Ask): void {
    this.#asks.expire(ask);
  }

  withdrawAsks(sender: CellContext): void {
    this.#asks.withdraw(sender);
  }

  escalate(failure: ActorFailure): void {
    const { address, restarts, restartsInMs, error } = failure;
    const outcome = restartsInMs === undefined
      ? `is stopped after ${restarts} restarts`
      : `crashes again and again, and is restarted every ${restartsInMs} ms`;
    this.telemetry.log("error", `${address} ${outcome}`, { reason: reasonOf(error) });
    if (restartsInMs === undefined) this.#routes.changed();
    this.#onFailure?.(failure);
  }

  // ---- other nodes

  /** Sets the nodes of these addresses; those of other addresses stay. */
  setPlacement(placement: Iterable<readonly [Address, string]>): void {
    this.#routes.place(placement);
  }

  addLink(link: NodeLink): void {
    this.#routes.add(link);
  }

  /**
   * The node behind the link is gone: asks to it fail now, and its own asks are not handled any
   * more.
   */
  removeLink(link: NodeLink, cause: Error): void {
    if (!this.#routes.remove(link, cause)) return;
    this.#flushing = this.#flushing.filter((other) => other !== link);
    for (const ask of link.takePending()) {
      this.settleError(
        ask,
        new ActorFailedError(ask.address, `${link.peer} is gone: ${cause.message}`, { cause }),
      );
    }
    for (const ask of link.takeUnanswered()) this.#asks.drop(ask);
  }

  receiveAsk(received: ReceivedAsk): void {
    const { address, budgetMs, deadlineMs } = received;
    const ask = new Ask({
      address,
      message: received.message,
      sentAtMs: deadlineMs - budgetMs,
      budgetMs,
      deadlineMs,
      nodeName: this.name,
      sender: undefined,
      parent: undefined,
      remoteChain: received.chain,
      remoteSerials: received.chainSerials,
      trace: received.trace,
      onValue: received.onValue,
      onError: received.onError,
    });
    ask.linkId = received.id;
    const cell = this.#cells.get(address);
    ask.receiver = cell;
    if (deadlineMs <= this.clock.monotonicMs()) return this.expire(ask);
    this.#asks.add(ask);
    received.link.addUnanswered(ask);
    if (cell?.busy && ask.isPartOf(cell.currentAsk)) {
      this.settleError(ask, new CallCycleError(address, ask.chain()));
    } else if (cell) cell.deliverAsk(ask);
    else {
      this.settleError(
        ask,
        new ActorFailedError(address, `there is no such actor on ${this.name}`),
      );
    }
  }

  /** The asker of an ask that came over the link has given it up. */
  dropReceived(ask: Ask): void {
    this.#asks.drop(ask);
  }

  receiveTell(address: Address, message: Message): void {
    const cell = this.#cells.get(address);
    if (cell) cell.deliverTell(message);
    else this.#deadLetters++;
  }

  /** Lets the link send its batch at the end of this turn. */
  scheduleFlush(link: NodeLink): void {
    if (this.#flushing.length === 0 && !this.#turns.pending) queueMicrotask(this.#flushLinks);
    if (!this.#flushing.includes(link)) this.#flushing.push(link);
  }

  #flushLinks = (): void => {
    if (this.#flushing.length === 0) return;
    const links = this.#flushing;
    this.#flushing = [];
    for (const link of links) link.flush();
  };
}

function copy<T>(value: T, transfer: readonly Transferable[] | undefined): T {
  return structuredClone(value, transfer ? { transfer: [...transfer] } : undefined);
}
