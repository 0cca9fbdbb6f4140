/**
 * Events in the order of (time, sequence): two events of the same time happen in the order in which they were
 * scheduled, which is what makes a simulated run repeatable.
 */
export interface HeapEvent {
  readonly atMs: number;
  readonly sequence: number;
  readonly callback: () => void;
  cancelled: boolean;
}

export class EventHeap {
  readonly #events: HeapEvent[] = [];
  #cancelled = 0;

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

  /** The earliest event that is not cancelled. */
  peek(): HeapEvent | undefined {
    while (this.#events.length > 0 && this.#events[0].cancelled) {
      this.#removeFirst();
      this.#cancelled--;
    }
    return this.#events[0];
  }

  pop(): HeapEvent | undefined {
    const first = this.peek();
    if (first) this.#removeFirst();
    return first;
  }

  cancel(event: HeapEvent): void {
    if (event.cancelled) return;
    event.cancelled = true;
    this.#cancelled++;
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#events.length) this.#compact();
  }

  #removeFirst(): void {
    const events = this.#events;
    const last = events.pop()!;
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
