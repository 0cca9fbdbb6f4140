/**
 * Model replicas in several threads that exchange their gradients: each sends its own to all
 * others.
 */
import type { ReplicaGroup } from "../../../kernels/dense/sessions/passes_backend.ts";

type Floats = Float32Array<ArrayBuffer>;

/** @param ports To the other replicas, in their order. */
export function portReplicaGroup(replica: number, ports: readonly MessagePort[]): ReplicaGroup {
  const inboxes = ports.map((port) => new Inbox(port));
  /** Arrays received for the last step; they carry the copies of the next one. */
  let received: Floats[] = [];
  return {
    count: ports.length + 1,
    async exchange(values) {
      for (const port of ports) {
        const copy = received.pop() ?? new Float32Array(values.length);
        copy.set(values);
        port.postMessage(copy, [copy.buffer]);
      }
      received = await Promise.all(inboxes.map((inbox) => inbox.take()));
      return received.toSpliced(replica, 0, values);
    },
  };
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
