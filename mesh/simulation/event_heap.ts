/**
 * A binary heap of events in the order of (time, sequence). Two events of the same time run in the
 * order in which they were scheduled, so that a simulated run is repeatable.
 */
import { present } from "../../structures/invariant.ts";

export interface HeapEvent {
  readonly atMs: number;
  readonly sequence: number;
  readonly callback: () => void;
  cancelled: boolean;
}

export class EventHeap {
  readonly #events: HeapEvent[] = [];
  #cancelled = 0;

  /** Events that are not cancelled. */
  get length(): number {
    return this.#events.length - this.#cancelled;
  }

  push(event: HeapEvent): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, events[parent])) break;
      events[at] = events[parent];
      at = parent;
    }
    events[at] = event;
  }

  /** The earliest event that is not cancelled; undefined where there is none. */
  peek(): HeapEvent | undefined {
    while (this.#events.length > 0 && this.#events[0].cancelled) {
      this.#removeFirst();
      this.#cancelled--;
    }
    return this.#events[0];
  }

  /** Removes and returns the event that {@link peek} returns. */
  pop(): HeapEvent | undefined {
    const first = this.peek();
    if (first) this.#removeFirst();
    return first;
  }

  /** Marks an event of the heap as cancelled. It is removed later. */
  cancel(event: HeapEvent): void {
    if (event.cancelled) return;
    event.cancelled = true;
    this.#cancelled++;
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#events.length) this.#compact();
  }

  #removeFirst(): void {
    const events = this.#events;
    const last = present(events.pop(), "a heap that removes its first event has one");
    if (events.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1], events[child])) child++;
      if (!isBefore(events[child], last)) break;
      events[at] = events[child];
      at = child;
    }
    events[at] = last;
  }

  #compact(): void {
    const live = this.#events.filter((event) => !event.cancelled);
    this.#events.length = 0;
    this.#cancelled = 0;
    for (const event of live) this.push(event);
  }
}

function isBefore(a: HeapEvent, b: HeapEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
