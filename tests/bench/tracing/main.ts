/**
 * The core time of a ranking with traces off, for one request in a hundred, and for each request.
 *
 *     deno task bench:tracing [--json] [--items 20000] [--candidates 100] [--seconds 6] [--turns 4]
 *
 * One server each, in processes of their own, measured in turns by a closed loop; this process is
 * the client and the collector. `coreMicros` is the median over the turns of the core time of the
 * server's process for one ranking, the export included, and `spans` the number of spans that the
 * collector got for one ranking. `off` has no exporter; `ready` has one and records nothing.
 */
import { parseArgs } from "node:util";
import { processorName } from "../embedding/core_time.ts";
import { type Contender, startOurs } from "../ranking/contenders.ts";
import { LoadClient } from "../ranking/load_client.ts";
import { coreTimeOf } from "../ranking/processes.ts";
import { Collector } from "../../integration/collector.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    items: { type: "string", default: "20000" },
    candidates: { type: "string", default: "100" },
    seconds: { type: "string", default: "6" },
    turns: { type: "string", default: "4" },
  },
});
const [items, candidates, seconds, turns] = [
  options.items,
  options.candidates,
  options.seconds,
  options.turns,
].map(Number);
/** Time for each server before the first turn, in which code is compiled, s. */
const WARM_UP_SECONDS = 5;

const collector = new Collector();
const kinds = [
  { name: "off", share: 0, environment: {} },
  { name: "ready", share: 0, environment: collector.environment },
  { name: "1 %", share: 0.01, environment: collector.environment },
  { name: "100 %", share: 1, environment: collector.environment },
];

interface Measured {
  readonly server: Contender;
  readonly coreMicros: number[];
  readonly requestsPerSecond: number[];
  readonly spans: number[];
}

const client = new LoadClient(items);
const measured: Measured[] = [];
try {
  for (const { share, environment } of kinds) {
    const server = await startOurs(items, { traced: { share, environment } });
    measured.push({ server, coreMicros: [], requestsPerSecond: [], spans: [] });
    await client.measure(server.url, { candidates, seconds: WARM_UP_SECONDS });
  }
  for (let turn = 0; turn < turns; turn++) {
    for (const each of measured) await measure(each, turn + 1);
  }
  for (const [i, { name }] of kinds.entries()) print(name, measured[i], measured[0]);
} finally {
  client.close();
  for (const { server } of measured) await server.close();
  await collector.stop();
}

async function measure(
  { server, coreMicros, requestsPerSecond, spans }: Measured,
  seed: number,
): Promise<void> {
  const before = coreTimeOf(server.processIds).micros;
  const spansBefore = collector.spanCount;
  const result = await client.measure(server.url, { candidates, seconds, seed });
  const requests = result.requestsPerSecond * seconds;
  coreMicros.push((coreTimeOf(server.processIds).micros - before) / requests);
  requestsPerSecond.push(result.requestsPerSecond);
  spans.push((collector.spanCount - spansBefore) / requests);
}

function print(name: string, each: Measured, off: Measured): void {
  const line = {
    bench: "tracing",
    traced: name,
    processor: processorName(),
    candidates,
    coreMicros: Math.round(median(each.coreMicros)),
    ofOff: Number((median(each.coreMicros) / median(off.coreMicros)).toFixed(3)),
    turns: each.coreMicros.map(Math.round),
    requestsPerSecond: Math.round(median(each.requestsPerSecond)),
    spans: Number(median(each.spans).toFixed(2)),
  };
  console.log(options.json ? JSON.stringify(line) : line);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
