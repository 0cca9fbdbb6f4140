/**
 * Measures how much of the time the host stops the virtual cores of this machine. A thread on each
 * core reads the clock in a loop; a gap between two readings is a pause. Pauses bound every latency
 * from below, so the benchmark prints them with its figures.
 */
import { availableParallelism } from "node:os";

/** Shorter gaps are interrupts and garbage collections of the thread itself. */
const GAP_MS_MIN = 0.5;

/**
 * Share of time that idle cores are stopped for longer than {@link GAP_MS_MIN} at once, mean of all
 * cores. Nothing else may run meanwhile.
 */
export async function machinePauses(ms = 1_000): Promise<number> {
  const shares = await Promise.all(Array.from({ length: availableParallelism() }, () => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const worker = new Worker(import.meta.url, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = reject;
    worker.postMessage(ms);
    return promise.finally(() => worker.terminate());
  }));
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function gapsShare(ms: number): number {
  const beganMs = performance.now();
  let stoppedMs = 0;
  for (let beforeMs = beganMs, nowMs = beganMs; beforeMs - beganMs < ms; beforeMs = nowMs) {
    nowMs = performance.now();
    if (nowMs - beforeMs > GAP_MS_MIN) stoppedMs += nowMs - beforeMs;
  }
  return stoppedMs / ms;
}

declare const WorkerGlobalScope: unknown;
declare const self: {
  onmessage: (event: MessageEvent<number>) => void;
  postMessage(value: number): void;
};

if (typeof WorkerGlobalScope !== "undefined") {
  self.onmessage = ({ data }) => self.postMessage(gapsShare(data));
}
