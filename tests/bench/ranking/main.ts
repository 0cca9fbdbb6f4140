/**
 * Ranking over HTTP: a real server with a million items, in a process of its own, and the client
 * on the same machine.
 *
 *     deno task bench:ranking [--json] [--candidates 25,100] [--items 1000000] [--seconds 20]
 *         [--rate 500] [--only ranking|peer]
 *
 * Lines "ranking": a closed loop measures requests a second at saturation, for half of `--seconds`.
 * An open loop at half of that rate, or at `--rate`, then measures latencies from the due time of
 * each request. Before that each item is ranked once, so that all caches are full. `coreMicros` is
 * the core time of the server's process for a request at saturation; `memoryMiB` is that process;
 * `pausedByMachine` is the share of time that the host stopped idle cores, measured one second
 * before and one second after the open loop.
 *
 * Lines "ranking-peer": the stack that a team would build by itself, Cairn, and bare Hono, with 100
 * candidates, in turns: without neighbours and with two busy processes beside them. Cairn comes
 * twice: `ours` trains on its rankings as it serves; `paused` ranks, logs and joins without
 * training. The peer ranks and logs and learns nothing, so `paused` is the same work as the peer's,
 * and `paused` is what the peer and bare Hono are compared with. The open loop runs at half of the
 * peer's saturated rate, for twice `--seconds`, since the p99 of a few seconds is chance. Where the
 * peer's software is not installed, a line says what is missing, and the others are compared.
 */
import { parseArgs } from "node:util";
import { percentile } from "../../../offline/evaluation/samples.ts";
import { processorName } from "../embedding/core_time.ts";
import { type Contender, PeerMissingError, startBare, startOurs, startPeer } from "./contenders.ts";
import { LoadClient } from "./load_client.ts";
import { machinePauses } from "./machine_pauses.ts";
import { compare, type Comparison } from "./peer_comparison.ts";
import { coreTimeOf, residentMiB } from "./processes.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    candidates: { type: "string", default: "25,50,100,200,500" },
    items: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "20" },
    rate: { type: "string" },
    only: { type: "string" },
  },
});
const items = Number(options.items);
const seconds = Number(options.seconds);
const rate = options.rate === undefined ? undefined : Number(options.rate);

/** Candidates of the comparison with the peer. */
const COMPARED_CANDIDATES = 100;
/** Busy processes beside the servers, in one comparison after another. */
const NEIGHBOURS = [0, 2];
/**
 * Time for each contender before the comparison, in which code is compiled, s. Cairn's helper
 * threads take three times as long in the first ten seconds as after twenty.
 */
const WARM_UP_SECONDS = 20;

const client = new LoadClient(items);
const contenders: Contender[] = [];
try {
  const ours = await startOurs(items);
  contenders.push(ours);
  await assertAnswers(ours.url);
  if (options.only !== "peer") {
    for (const candidates of options.candidates.split(",").map(Number)) {
      await measureRanking(ours, candidates);
    }
  }
  if (options.only !== "ranking") {
    const missing = await startOthers();
    if (missing !== undefined) {
      print({ bench: "ranking-peer", missing }, `The peer is missing: ${missing}`);
    }
    for (const { url } of contenders) {
      const seconds = Math.min(WARM_UP_SECONDS, Number(options.seconds));
      await client.measure(url, { candidates: COMPARED_CANDIDATES, seconds });
    }
    let ratePerSecond = rate;
    for (const neighbours of NEIGHBOURS) {
      const line = await compare(contenders, client, {
        candidates: COMPARED_CANDIDATES,
        neighbours,
        ratePerSecond,
        seconds,
      });
      ratePerSecond ??= line.ratePerSecond;
      print(line, comparisonInWords(line));
    }
  }
} finally {
  client.close();
  for (const contender of contenders) await contender.close();
}

/** Starts the other contenders. @returns The software that the peer lacks here. */
async function startOthers(): Promise<string | undefined> {
  contenders.push(await startOurs(items, { trains: false }));
  contenders.push(await startBare());
  try {
    contenders.push(await startPeer(items));
  } catch (error) {
    if (!(error instanceof PeerMissingError)) throw error;
    return error.message;
  }
}

async function measureRanking(
  { url, processIds }: Contender,
  candidates: number,
): Promise<void> {
  await client.measure(url, { candidates, seconds: Math.min(5, seconds) });
  const before = coreTimeOf(processIds);
  const saturated = await client.measure(url, { candidates, seconds: seconds / 2, seed: 2 });
  const coreMicros = (coreTimeOf(processIds).micros - before.micros) /
    saturated.latenciesMs.length;
  const requestsPerSecond = rate ?? saturated.requestsPerSecond / 2;
  // Not counted: at a new rate connections are opened and V8 recompiles for some seconds.
  const settling = Math.min(2, seconds);
  await client.measure(url, { candidates, seconds: settling, seed: 3, requestsPerSecond });
  const pausesBefore = await machinePauses();
  const half = await client.measure(url, { candidates, seconds, seed: 4, requestsPerSecond });
  const pauses = (pausesBefore + await machinePauses()) / 2;
  const ms = (share: number) => Number(percentile(half.latenciesMs, share).toFixed(2));
  const line = {
    bench: "ranking",
    candidates,
    items,
    processor: processorName(),
    p50Ms: ms(0.5),
    p95Ms: ms(0.95),
    p99Ms: ms(0.99),
    measuredAtPerSecond: Math.round(requestsPerSecond),
    requestsPerSecond: Math.round(saturated.requestsPerSecond),
    coreMicros: Math.round(coreMicros),
    pausedByMachine: Number(pauses.toFixed(3)),
    memoryMiB: Math.round(residentMiB(processIds)),
  };
  print(
    line,
    `${candidates} candidates: ${line.requestsPerSecond} requests/s at saturation, ` +
      `${line.coreMicros} us of core time each; at ${line.measuredAtPerSecond} p50 ${line.p50Ms} ms, ` +
      `p95 ${line.p95Ms} ms, p99 ${line.p99Ms} ms; ${line.memoryMiB} MiB; the machine paused for ` +
      `${(100 * pauses).toFixed(1)} %`,
  );
}

function print(line: object, inWords: string): void {
  console.log(options.json ? JSON.stringify(line) : inWords);
}

function comparisonInWords(line: Comparison): string {
  const each = (["ours", "paused", "peer", "bare"] as const).flatMap((name) => {
    const figures = line[name];
    if (figures === undefined) return [];
    const { requestsPerSecond, coreMicros, p50Ms, p99Ms, p99MsOfTurns } = figures;
    return [
      `${name} ${requestsPerSecond} requests/s, ${coreMicros} us of core time, ` +
      `p50 ${p50Ms} ms, p99 ${p99Ms} ms (turns: ${p99MsOfTurns[0]} to ${p99MsOfTurns.at(-1)})`,
    ];
  });
  return `${line.neighbours} busy neighbours, latencies at ${line.ratePerSecond}/s: ` +
    [...each, ...ratiosInWords(line)].join("; ");
}

/** Cairn with training paused, compared with the others. */
function ratiosInWords({ paused, peer, bare }: Comparison): string[] {
  if (paused === undefined) return [];
  const ratio = (a: number, b: number) => (a / b).toFixed(2);
  return [
    ...(peer === undefined ? [] : [
      `without training ${ratio(paused.requestsPerSecond, peer.requestsPerSecond)} x the peer's ` +
      `requests and ${ratio(paused.p99Ms, peer.p99Ms)} x its p99`,
    ]),
    ...(bare === undefined
      ? []
      : [`${ratio(paused.coreMicros, bare.coreMicros)} x the core time of bare Hono`]),
  ];
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
