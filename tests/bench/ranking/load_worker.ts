/**
 * The client's thread: rank requests over kept-alive connections, as many as the server takes, or at a given rate.
 */
import { SeededRandom } from "../../../mesh/simulation/seeded_random.ts";
import { HttpConnection, postBytes } from "./http_connection.ts";

/** One measurement. */
export interface LoadOrder {
  readonly hostname: string;
  readonly port: number;
  readonly candidates: number;
  /** Item ids are `i0` to `i{items - 1}`, drawn uniformly: the worst case for every cache. */
  readonly items: number;
  readonly users: number;
  readonly seconds: number;
  /** Requests a second at moments that do not depend on answers (Poisson); absent = each connection as fast as it can. */
  readonly requestsPerSecond?: number;
  /** Connections of the closed loop. */
  readonly connections: number;
  readonly seed: number;
}

/** What came of it. */
export interface LoadResult {
  /** From sending to the last byte of the answer, ms, ascending. */
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
  const latencies: number[] = [];
  let sent = 0;
  const exchange = async (connection: HttpConnection) => {
    const beganMs = performance.now();
    const { status, body } = await connection.exchange(requests[sent++ % requests.length]);
    latencies.push(performance.now() - beganMs);
    if (status !== 200) throw new Error(`Answered ${status}: ${new TextDecoder().decode(body)}`);
  };
  const open = () => HttpConnection.open(order.hostname, order.port);
  const beganMs = performance.now();
  const endMs = beganMs + order.seconds * 1000;
  const connections: HttpConnection[] = [];
  if (order.requestsPerSecond === undefined) {
    for (let i = 0; i < order.connections; i++) connections.push(await open());
    await Promise.all(connections.map(async (connection) => {
      while (performance.now() < endMs) await exchange(connection);
    }));
  } else {
    const idle: HttpConnection[] = [];
    const underWay = new Set<Promise<void>>();
    const send = async () => {
      const connection = idle.pop() ?? await open();
      await exchange(connection);
      idle.push(connection);
    };
    for (let dueMs = beganMs; dueMs < endMs;) {
      while (dueMs <= performance.now()) {
        const one = send().finally(() => underWay.delete(one));
        underWay.add(one);
        dueMs += -Math.log(1 - random.nextFloat()) / order.requestsPerSecond * 1000;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
    }
    await Promise.all(underWay);
    connections.push(...idle);
  }
  const elapsedMs = performance.now() - beganMs;
  for (const connection of connections) connection.close();
  return {
    latenciesMs: Float64Array.from(latencies).sort(),
    requestsPerSecond: latencies.length / elapsedMs * 1000,
  };
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
