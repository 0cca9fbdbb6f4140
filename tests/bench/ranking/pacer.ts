/**
 * The thread that says when the next request is due. Timers of an event loop come up to two milliseconds late and in
 * company, which turns arrivals at random into bursts; a thread that does nothing else wakes within 0.1 ms.
 */

/** When requests are due, and the memory through which that is told. */
export interface PacerOrder {
  /** ms from the beginning, ascending. */
  readonly afterMs: Float64Array;
  /** How many are due by now (int32, at byte 0), and when it began (float64, at byte 8): ms since the Unix epoch. */
  readonly progress: SharedArrayBuffer;
}

declare const self: {
  onmessage: (event: MessageEvent<PacerOrder>) => void;
};

self.onmessage = ({ data: { afterMs, progress } }) => {
  const due = new Int32Array(progress, 0, 1);
  const never = new Int32Array(new SharedArrayBuffer(4));
  const nowMs = () => performance.timeOrigin + performance.now();
  const beganMs = new Float64Array(progress, 8, 1)[0] = nowMs();
  for (const after of afterMs) {
    for (let leftMs = beganMs + after - nowMs(); leftMs > 0; leftMs = beganMs + after - nowMs()) {
      Atomics.wait(never, 0, 0, leftMs);
    }
    Atomics.add(due, 0, 1);
    Atomics.notify(due, 0);
  }
};
