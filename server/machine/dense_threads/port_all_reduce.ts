/**
 * The sum of an array over replicas in several threads: each sends its own to all others, and all
 * add in the same order, so that every replica has the same bits.
 */
import type { AllReduce } from "../../../kernels/dense/sessions/passes_backend.ts";

type Floats = Float32Array<ArrayBuffer>;

/** @param ports To the other replicas, in their order. */
export function portAllReduce(replica: number, ports: readonly MessagePort[]): AllReduce {
  const inboxes = ports.map((port) => new Inbox(port));
  /** Received arrays, already added, that carry the next sums. */
  const spare: Floats[] = [];
  return async (values) => {
    for (const port of ports) {
      const own = spare.pop() ?? new Float32Array(values.length);
      own.set(values);
      port.postMessage(own, [own.buffer]);
    }
    const others = await Promise.all(inboxes.map((inbox) => inbox.take()));
    spare.push(...others);
    const [first, ...rest] = others.toSpliced(replica, 0, values);
    for (const next of rest) add(first, next);
    if (first !== values) values.set(first);
  };
}

function add(sum: Floats, values: Floats): void {
  for (let i = 0; i < sum.length; i++) sum[i] += values[i];
}

/**
 * The array received through a port and not taken yet. There is at most one, because no replica
 * goes on without the others.
 */
class Inbox {
  #come: Floats | undefined;
  #waiting: ((values: Floats) => void) | undefined;

  constructor(port: MessagePort) {
    port.onmessage = ({ data }: MessageEvent<Floats>) => {
      if (this.#waiting === undefined) this.#come = data;
      else this.#waiting(data);
      this.#waiting = undefined;
    };
  }

  take(): Promise<Floats> {
    const come = this.#come;
    this.#come = undefined;
    if (come !== undefined) return Promise.resolve(come);
    return new Promise((resolve) => this.#waiting = resolve);
  }
}
