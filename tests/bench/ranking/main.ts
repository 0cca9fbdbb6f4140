/**
 * Ranking over HTTP: a real server, a million items, the client on the same machine.
 *
 *     deno task bench:ranking [--json] [--candidates 25,100] [--items 1000000] [--seconds 20]
 *         [--rate 500]
 *
 * A closed loop measures requests a second at saturation, for half of `--seconds`. An open loop at
 * half of that rate, or at `--rate`, then measures latencies from the due time of each request.
 * Before that each item is ranked once, so that all caches are full. `memoryMiB` is the whole
 * process, client included; `pausedByMachine` is the share of time that the host stopped idle
 * cores, measured one second before and one second after the open loop.
 */
import { parseArgs } from "node:util";
import { HttpPort } from "../../../server/machine/http_port.ts";
import { percentile } from "../../../offline/evaluation/samples.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import type { LoadOrder, LoadResult } from "./load_worker.ts";
import { machinePauses } from "./machine_pauses.ts";
import { learnItems, shopConfiguration, writeProfiles } from "./shop.ts";
import { waitReady } from "../../../server/waits.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    candidates: { type: "string", default: "25,50,100,200,500" },
    items: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "20" },
    rate: { type: "string" },
  },
});
const items = Number(options.items);
const seconds = Number(options.seconds);
const CONNECTIONS = 8;

const directory = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
try {
  await writeProfiles(directory, items);
  const mesh = await startMesh(shopConfiguration(directory), {
    logLevelMin: "warn",
    writeLog: (line) => console.error(line),
    onFatal: (error) => {
      console.error(error);
      Deno.exit(1);
    },
  });
  const { http, gateway } = mesh.configuration;
  const listener = await HttpPort.open({ ...http, drainMs: gateway.deadlineMs });
  listener.serve(mesh.fetch);
  const worker = new Worker(new URL("./load_worker.ts", import.meta.url), { type: "module" });
  try {
    await waitReady(mesh);
    await learnItems(mesh, items);
    const { hostname, port } = new URL(listener.url);
    await assertAnswers(listener.url);
    await warmUp(listener.url);
    const load = (order: Partial<LoadOrder> & Pick<LoadOrder, "candidates" | "seconds">) =>
      new Promise<LoadResult>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(event.message));
        };
        worker.postMessage({
          hostname,
          port: Number(port),
          items,
          users: 100_000,
          connections: CONNECTIONS,
          seed: 1,
          ...order,
        });
      });
    for (const candidates of options.candidates.split(",").map(Number)) {
      await load({ candidates, seconds: Math.min(5, seconds) });
      const saturated = await load({ candidates, seconds: seconds / 2, seed: 2 });
      const requestsPerSecond = Number(options.rate ?? saturated.requestsPerSecond / 2);
      // Not counted: at a new rate connections are opened and V8 recompiles for some seconds.
      await load({ candidates, seconds: Math.min(2, seconds), seed: 3, requestsPerSecond });
      const pausesBefore = await machinePauses();
      const half = await load({ candidates, seconds, seed: 4, requestsPerSecond });
      const pauses = (pausesBefore + await machinePauses()) / 2;
      const ms = (share: number) => Number(percentile(half.latenciesMs, share).toFixed(2));
      const line = {
        bench: "ranking",
        candidates,
        items,
        p50Ms: ms(0.5),
        p95Ms: ms(0.95),
        p99Ms: ms(0.99),
        measuredAtPerSecond: Math.round(requestsPerSecond),
        requestsPerSecond: Math.round(saturated.requestsPerSecond),
        pausedByMachine: Number(pauses.toFixed(3)),
        memoryMiB: Math.round(Deno.memoryUsage().rss / 2 ** 20),
      };
      console.log(
        options.json
          ? JSON.stringify(line)
          : `${candidates} candidates: ${line.requestsPerSecond} requests/s at saturation; at ${line.measuredAtPerSecond} ` +
            `p50 ${line.p50Ms} ms, p95 ${line.p95Ms} ms, p99 ${line.p99Ms} ms; ${line.memoryMiB} MiB; the machine paused for ${
              (100 * pauses).toFixed(1)
            } %`,
      );
    }
  } finally {
    worker.terminate();
    await listener.close();
    await mesh.stop();
  }
} finally {
  Deno.removeSync(directory, { recursive: true });
}

/** Ranks every item once, so that the caches of the measured server are full. */
async function warmUp(url: string): Promise<void> {
  for (let from = 0; from < items; from += 500) {
    const count = Math.min(500, items - from);
    const response = await fetch(`${url}/v1/rank`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        user: "u1",
        limit: 1,
        candidates: Array.from({ length: count }, (_, i) => ({ id: `i${from + i}` })),
      }),
    });
    if (!response.ok) throw new Error(`Answered ${response.status}: ${await response.text()}`);
    await response.body?.cancel();
  }
}

/** Asserts that items are known, that their scores differ and that they are in order of score. */
async function assertAnswers(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/rank`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      user: "u1",
      context: { device: "phone" },
      candidates: Array.from({ length: 100 }, (_, i) => ({ id: `i${i * 37}` })),
    }),
  });
  const answer = await response.json();
  const scores: number[] = answer.items.map((item: { score: number }) => item.score);
  const ordered = scores.every((score, i) => i === 0 || score <= scores[i - 1]);
  const warm = answer.items.every((item: { cold: boolean }) => !item.cold);
  if (scores.length !== 100 || !ordered || !warm || new Set(scores).size < 50) {
    throw new Error(`The answer is wrong: ${JSON.stringify(answer).slice(0, 500)}`);
  }
}
