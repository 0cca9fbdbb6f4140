/**
 * Cairn, its peer and bare Hono under the same client and the same requests, in turns. Cairn runs
 * twice: training on its rankings as it serves, and with training paused, which is the peer's work.
 */
import { percentile } from "../../../offline/evaluation/samples.ts";
import { processorName } from "../embedding/core_time.ts";
import type { Contender } from "./contenders.ts";
import type { LoadClient } from "./load_client.ts";
import { coreTimeOf } from "./processes.ts";

export interface ComparisonOptions {
  readonly candidates: number;
  /** Busy processes beside the servers. */
  readonly neighbours: number;
  /** Rate of the open loop; absent = half of the peer's saturated rate (of ours without a peer). */
  readonly ratePerSecond: number | undefined;
  /** Each contender is saturated for half of this time, and measured at the rate for twice it. */
  readonly seconds: number;
}

/** One contender's figures. */
export interface ContenderFigures {
  /** Latency at the rate, from the due time of a request to the last byte of its answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /**
   * The p99 of each turn at the rate, ascending. A server that stood still once shows in one turn,
   * one that is slow in all.
   */
  readonly p99MsOfTurns: readonly number[];
  /** Core time of all processes of the contender for a request, at saturation. */
  readonly coreMicros: number;
  /** The part of it that threads take which yield to others: Cairn's training. */
  readonly yieldingCoreMicros: number;
  /** At saturation. */
  readonly requestsPerSecond: number;
}

/** One line of the benchmark. A peer that cannot run here is left out. */
export type Comparison = {
  readonly bench: "ranking-peer";
  readonly candidates: number;
  readonly ratePerSecond: number;
  readonly neighbours: number;
  readonly processor: string;
} & { readonly [name in Contender["name"]]?: ContenderFigures };

/** Turns of each contender at saturation. */
const SATURATED_TURNS = 4;

/**
 * Turns of each contender at the rate. Slow requests are not independent: a server that stands
 * still for 0.3 s makes 45 of 150 requests a second slow, which alone is the p99 of 4,500 requests.
 * So a p99 needs time for many such moments: 40 s with the usual `seconds`.
 */
const RATED_TURNS = 8;

interface Turns {
  readonly coreMicros: number[];
  readonly yieldingCoreMicros: number[];
  readonly requestsPerSecond: number[];
  /** Latencies of each turn at the rate, ascending. */
  readonly latenciesMs: Float64Array[];
}

/** Measures all contenders: first saturated, then at one rate. */
export async function compare(
  contenders: readonly Contender[],
  client: LoadClient,
  options: ComparisonOptions,
): Promise<Comparison> {
  const { candidates, neighbours } = options;
  const busy = Array.from({ length: neighbours }, startNeighbour);
  try {
    const turns = new Map(contenders.map((contender) => [contender, emptyTurns()]));
    let seed = 0;
    for (let turn = 0; turn < SATURATED_TURNS; turn++) {
      seed++;
      for (const [contender, figures] of turns) {
        const before = coreTimeOf(contender.processIds);
        const { latenciesMs: { length: requests }, requestsPerSecond } = await client.measure(
          contender.url,
          { candidates, seconds: options.seconds / 2 / SATURATED_TURNS, seed },
        );
        const after = coreTimeOf(contender.processIds);
        figures.coreMicros.push((after.micros - before.micros) / requests);
        figures.yieldingCoreMicros.push(
          (after.yieldingMicros - before.yieldingMicros) / requests,
        );
        figures.requestsPerSecond.push(requestsPerSecond);
      }
    }
    const saturated = (name: Contender["name"]) => {
      const contender = contenders.find((each) => each.name === name);
      return contender && median(turns.get(contender)?.requestsPerSecond ?? []);
    };
    const ratePerSecond = options.ratePerSecond ??
      Math.floor((saturated("peer") ?? saturated("ours") ?? NaN) / 2);
    for (let turn = 0; turn < RATED_TURNS; turn++) {
      seed++;
      for (const [contender, figures] of turns) {
        const { latenciesMs } = await client.measure(contender.url, {
          candidates,
          seconds: 2 * options.seconds / RATED_TURNS,
          seed,
          requestsPerSecond: ratePerSecond,
        });
        figures.latenciesMs.push(latenciesMs);
      }
    }
    return {
      bench: "ranking-peer",
      candidates,
      ratePerSecond,
      neighbours,
      processor: processorName(),
      ...Object.fromEntries(Array.from(turns, ([{ name }, each]) => [name, figuresOf(each)])),
    };
  } finally {
    for (const process of busy) {
      process.kill("SIGKILL");
      await process.status;
    }
  }
}

function emptyTurns(): Turns {
  return { coreMicros: [], yieldingCoreMicros: [], requestsPerSecond: [], latenciesMs: [] };
}

function figuresOf(turns: Turns): ContenderFigures {
  const all = Float64Array.from(turns.latenciesMs.flatMap((each) => Array.from(each))).sort();
  const ms = (latenciesMs: Float64Array, share: number) =>
    Number(percentile(latenciesMs, share).toFixed(2));
  return {
    p50Ms: ms(all, 0.5),
    p99Ms: ms(all, 0.99),
    p99MsOfTurns: turns.latenciesMs.map((each) => ms(each, 0.99)).sort((a, b) => a - b),
    coreMicros: Math.round(median(turns.coreMicros)),
    yieldingCoreMicros: Math.round(median(turns.yieldingCoreMicros)),
    requestsPerSecond: Math.round(median(turns.requestsPerSecond)),
  };
}

/** A process that computes without end. */
function startNeighbour(): Deno.ChildProcess {
  return new Deno.Command("sh", { args: ["-c", "while :; do :; done"] }).spawn();
}

function median(values: readonly number[]): number {
  return percentile(Float64Array.from(values).sort(), 0.5);
}
