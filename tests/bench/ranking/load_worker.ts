/**
 * Thread of the client: sends rank requests over kept-alive connections, either as fast as the
 * server answers (closed loop) or at a given rate (open loop).
 */
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { HttpConnection, postBytes } from "./http_connection.ts";
import type { PacerOrder } from "./pacer.ts";

/** One measurement. */
export interface LoadOrder {
  readonly hostname: string;
  readonly port: number;
  readonly candidates: number;
  /** Items `i0` to `i{items - 1}` are drawn uniformly, the worst case for every cache. */
  readonly items: number;
  readonly users: number;
  readonly seconds: number;
  /**
   * Poisson rate of the open loop, whose arrivals do not depend on answers; absent = closed loop.
   */
  readonly requestsPerSecond?: number;
  /**
   * Connections of the closed loop. The open loop begins with as many and opens more when all are
   * busy.
   */
  readonly connections: number;
  readonly seed: number;
}

/** The outcome of one measurement. */
export interface LoadResult {
  /** From the due time of the request to the last byte of its answer, ms, ascending. */
  readonly latenciesMs: Float64Array;
  readonly requestsPerSecond: number;
}

const PREPARED_REQUESTS = 500;

if (typeof WorkerGlobalScope !== "undefined") {
  self.onmessage = async ({ data }: MessageEvent<LoadOrder>) => {
    self.postMessage(await run(data));
  };
}

declare const self: {
  onmessage: (event: MessageEvent<LoadOrder>) => void;
  postMessage(value: LoadResult): void;
};
declare const WorkerGlobalScope: unknown;

async function run(order: LoadOrder): Promise<LoadResult> {
  const random = new SeededRandom(order.seed).stream("load");
  const requests = Array.from({ length: PREPARED_REQUESTS }, () => request(order, random));
  const connections = await Promise.all(
    Array.from(
      { length: order.connections },
      () => HttpConnection.open(order.hostname, order.port),
    ),
  );
  const latencies: number[] = [];
  let sent = 0;
  const exchange = async (connection: HttpConnection, beganMs: number) => {
    const { status, body } = await connection.exchange(requests[sent++ % requests.length]);
    latencies.push(performance.now() - beganMs);
    if (status !== 200) throw new Error(`Answered ${status}: ${new TextDecoder().decode(body)}`);
  };
  const beganMs = performance.now();
  if (order.requestsPerSecond === undefined) {
    const endMs = beganMs + order.seconds * 1000;
    await Promise.all(connections.map(async (connection) => {
      while (performance.now() < endMs) await exchange(connection, performance.now());
    }));
  } else {
    const idle = [...connections];
    const underWay = new Set<Promise<void>>();
    const send = async (dueMs: number) => {
      let connection = idle.pop();
      if (connection === undefined) {
        connections.push(connection = await HttpConnection.open(order.hostname, order.port));
      }
      await exchange(connection, dueMs);
      idle.push(connection);
    };
    for await (const dueMs of arrivals(order.requestsPerSecond, order.seconds, random)) {
      const one = send(dueMs).finally(() => underWay.delete(one));
      underWay.add(one);
    }
    await Promise.all(underWay);
  }
  const elapsedMs = performance.now() - beganMs;
  for (const connection of connections) connection.close();
  return {
    latenciesMs: Float64Array.from(latencies).sort(),
    requestsPerSecond: latencies.length / elapsedMs * 1000,
  };
}

const pacer = new Worker(new URL("./pacer.ts", import.meta.url), { type: "module" });

/** Due times of a Poisson process; each is yielded when it comes, whatever earlier requests do. */
async function* arrivals(
  requestsPerSecond: number,
  seconds: number,
  random: { nextFloat(): number },
): AsyncGenerator<number> {
  const afterMs = new Float64Array(Math.round(requestsPerSecond * seconds));
  let atMs = 0;
  for (let i = 0; i < afterMs.length; i++) {
    afterMs[i] = atMs += -Math.log(1 - random.nextFloat()) / requestsPerSecond * 1000;
  }
  const progress = new SharedArrayBuffer(16);
  const due = new Int32Array(progress, 0, 1);
  const beganMs = new Float64Array(progress, 8, 1);
  pacer.postMessage({ afterMs, progress } satisfies PacerOrder);
  for (let sent = 0; sent < afterMs.length;) {
    const wait = Atomics.waitAsync(due, 0, sent);
    if (wait.async) await wait.value;
    for (const now = Atomics.load(due, 0); sent < now; sent++) {
      yield beganMs[0] + afterMs[sent] - performance.timeOrigin;
    }
  }
}

function request(order: LoadOrder, random: { nextFloat(): number }): Uint8Array {
  const draw = (count: number) => Math.floor(random.nextFloat() * count);
  const chosen = new Set<number>();
  while (chosen.size < order.candidates) chosen.add(draw(order.items));
  return postBytes(`${order.hostname}:${order.port}`, "/v1/rank", {
    user: `u${draw(order.users)}`,
    context: { device: draw(2) === 0 ? "phone" : "desktop" },
    candidates: Array.from(chosen, (item) => ({ id: `i${item}` })),
  });
}
