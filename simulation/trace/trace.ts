/**
 * The events of a run, in order: the hash of all of it, and the newest events in words for a
 * report.
 */
import { TraceHash } from "./trace_hash.ts";

/** One thing that happened. */
export interface TraceEvent {
  /** From 0. */
  readonly number: number;
  /** Virtual time since the run began, ms. */
  readonly atMs: number;
  /** The actor, log, disk, client or `world` where it happened. */
  readonly at: string;
  /** The message, operation or fault. */
  readonly kind: string;
  /** A sequence, an offset, a status; 0 where it has none. */
  readonly detail: number;
  /** More in words, where there is more. */
  readonly text?: string;
  /** The sender of a message, and when it was sent. */
  readonly from?: string;
  readonly sentAtMs?: number;
}

/** Messages on their way that are remembered, for each pair of actors and kind of message. */
const UNDER_WAY_MAX = 1_024;

/** Keeps the newest events. */
export class Trace {
  readonly hash = new TraceHash();
  readonly #events: TraceEvent[] = [];
  readonly #eventsMax: number;
  readonly #underWay = new Map<string, { readonly from: string; readonly sentAtMs: number }[]>();
  #next = 0;

  /** @param eventsMax Events that a report may list; 0 = none. */
  constructor(eventsMax: number) {
    this.#eventsMax = eventsMax;
  }

  /** Remembers the sender of a message, for the event of its arrival. Not an event of its own. */
  sent(atMs: number, from: string, to: string, kind: string): void {
    if (this.#eventsMax === 0) return;
    const key = `${to} ${kind}`;
    const waiting = this.#underWay.get(key) ?? [];
    this.#underWay.set(key, waiting);
    if (waiting.length < UNDER_WAY_MAX) waiting.push({ from, sentAtMs: atMs });
  }

  /** Adds an event. */
  add(atMs: number, at: string, kind: string, detail = 0, text?: string): void {
    this.hash.add(atMs, at, kind, detail);
    if (this.#eventsMax === 0) return;
    const event: TraceEvent = {
      number: this.hash.events - 1,
      atMs,
      at,
      kind,
      detail,
      ...(text !== undefined && { text }),
      ...this.#underWay.get(`${withoutHost(at)} ${kind}`)?.shift(),
    };
    if (this.#events.length < this.#eventsMax) this.#events.push(event);
    else this.#events[this.#next] = event;
    this.#next = (this.#next + 1) % this.#eventsMax;
  }

  /** The newest events, oldest first. */
  events(): TraceEvent[] {
    if (this.#events.length < this.#eventsMax) return [...this.#events];
    return [...this.#events.slice(this.#next), ...this.#events.slice(0, this.#next)];
  }
}

/** The address of an actor whose lane begins with its host: a sender does not know the host. */
function withoutHost(at: string): string {
  return at.slice(at.indexOf(":") + 1);
}
