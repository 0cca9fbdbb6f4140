/**
 * The work of `cairn demo`: starts the whole mesh with its HTTP API in this process, lets a
 * simulated audience visit it, prints live figures, and reports at the end whether rankings got
 * better.
 */
import { counted } from "../../structures/counted.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import type { Output } from "../command_line.ts";
import type { DemoFlags } from "./command.ts";
import { CommandError } from "../errors.ts";
import { exactAuc } from "../../offline/evaluation/auc.ts";
import { GatewayClient } from "../load/gateway_client.ts";
import { percentile } from "../../offline/evaluation/samples.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { Progress, stderrTarget } from "../progress.ts";
import { requireReportFolder } from "../report_file.ts";
import { stopSignal } from "../../server/machine/stop_signal.ts";
import { type ServedMesh, withServer } from "../../server/machine/with_server.ts";
import { clickThrough, standardErrorsAbove } from "./arm.ts";
import { Audience, demoAudience } from "./audience.ts";
import { demoReport } from "./demo_report.ts";
import { Visits } from "./visits.ts";

/** The demo's result. */
export interface DemoSummary {
  readonly seconds: number;
  readonly visits: number;
  readonly clicks: number;
  /** Clicks per product shown in the last third, where Cairn chose the order. */
  readonly rankedClickThrough: number;
  /** The same where the order was random. */
  readonly randomClickThrough: number;
  /** The first over the second. */
  readonly uplift: number;
  /** How many standard errors the first lies above the second. */
  readonly standardErrors: number;
  /** AUC of the scores served in the first third; `aucLastThird`: in the last. */
  readonly aucFirstThird: number;
  readonly aucLastThird: number;
  readonly freshnessMsP50: number;
  readonly freshnessMsP99: number;
  readonly rankMsP50: number;
  readonly rankMsP99: number;
  readonly examples: number;
  readonly examplesPerSecond: number;
  /** Favourite categories that were exchanged meanwhile. */
  readonly tasteChanges: number;
}

/** Window of the live figures. */
const WINDOW_SECONDS = 8;
const CONTROL_SHARE = 0.2;
/** Smallest difference in standard errors that counts as better. */
const STANDARD_ERRORS_MIN = 3;

/** Runs the command. */
export async function demo(flags: DemoFlags, output: Output): Promise<void> {
  await requireReportFolder(flags.report);
  const assignments = ["gateway.host=127.0.0.1", `gateway.port=${flags.port}`, ...flags.set];
  const configuration = await loadConfiguration(flags.config, { assignments });
  const stopping = flags.keep === true ? stopSignal() : undefined;
  const summary = await withServer(configuration, { writeLog: output.err }, async (served) => {
    output.err(
      `Cairn serves on ${served.url}; ${flags.seconds} seconds of visits begin.\n` +
        "Clicks per product shown, AUC of the scores, freshness p50/p99, learned from:\n",
    );
    const { summary, visits } = await runVisits(served, flags);
    if (flags.report !== undefined) {
      await Deno.writeTextFile(flags.report, demoReport(flags, summary, visits, WINDOW_SECONDS));
      output.err(`The report is in ${flags.report}\n`);
    }
    output.out(flags.json === true ? JSON.stringify(summary) + "\n" : describeSummary(summary));
    if (stopping !== undefined) {
      output.err(`Still serving on ${served.url}, until Ctrl-C.\n`);
      await stopping;
    }
    return summary;
  });
  if (!(summary.standardErrors >= STANDARD_ERRORS_MIN)) {
    throw new CommandError(
      `Rankings did not get better than a random order: ${
        share(summary.rankedClickThrough)
      } against ` +
        `${share(summary.randomClickThrough)} clicks per product shown in the last third ` +
        `(${
          summary.standardErrors.toFixed(1)
        } standard errors apart; ${STANDARD_ERRORS_MIN} are asked for).`,
    );
  }
}

async function runVisits(
  served: ServedMesh,
  flags: DemoFlags,
): Promise<{ summary: DemoSummary; visits: Visits }> {
  const client = new GatewayClient({ url: served.url, retriesMax: 20, retryDelayMsMax: 500 });
  const random = new SeededRandom(flags.seed);
  const audience = new Audience(demoAudience, random);
  const progress = new Progress("", flags.seconds, stderrTarget());
  const examples = new ExampleRate(served);
  const visits: Visits = new Visits(client, audience, random.stream("demo/groups"), {
    seconds: flags.seconds,
    rate: flags.rate,
    controlShare: CONTROL_SHARE,
    inFlightMax: 32,
    runId: crypto.randomUUID(),
    onTick: (seconds) => {
      examples.look(seconds);
      progress.update(seconds, liveFigures(visits, examples.perSecond, Math.floor(seconds)));
    },
  });
  await visits.introduce();
  await visits.run();
  progress.finish(flags.seconds, liveFigures(visits, examples.perSecond, flags.seconds));
  const { examples: trained } = await served.mesh.trainers.status();
  return { summary: summarize(visits, flags.seconds, trained), visits };
}

/** How fast the trainer learns, asked for once a second. */
class ExampleRate {
  perSecond = 0;
  #askedAt = 0;
  #examples = 0;

  constructor(readonly served: ServedMesh) {}

  look(seconds: number): void {
    const since = seconds - this.#askedAt;
    if (since < 1) return;
    this.#askedAt = seconds;
    this.served.mesh.trainers.status().then(({ examples }) => {
      this.perSecond = (examples - this.#examples) / since;
      this.#examples = examples;
    }, () => {/* busy: the next look will tell */});
  }
}

/** The one line that is refreshed. */
function liveFigures(visits: Visits, examplesPerSecond: number, second: number): string {
  const ranked = clickThrough(visits.ranked.between(second - WINDOW_SECONDS, second + 1));
  const random = clickThrough(visits.control.between(second - WINDOW_SECONDS, second + 1));
  const from = Math.max(0, visits.scores.count - 4000);
  const auc = exactAuc(visits.scores.values(from), visits.clicked.values(from));
  const freshness = visits.freshness.samples.sorted();
  const [median, slowest] = [0.5, 0.99].map((at) => percentile(freshness, at));
  return [
    `clicks ${share(ranked)} vs ${share(random)} random`,
    `AUC ${Number.isNaN(auc) ? "-" : auc.toFixed(3)}`,
    `fresh ${Number.isNaN(median) ? "-" : `${Math.round(median)}/${Math.round(slowest)} ms`}`,
    `${Math.round(examplesPerSecond)} ex/s`,
  ].join("  ");
}

function summarize(visits: Visits, seconds: number, examples: number): DemoSummary {
  const from = Math.floor(seconds * 2 / 3);
  const ranked = visits.ranked.between(from, Infinity);
  const random = visits.control.between(from, Infinity);
  const third = Math.floor(visits.scores.count / 3);
  const [scores, clicked] = [visits.scores.values(), visits.clicked.values()];
  const freshness = visits.freshness.samples.sorted();
  const rankMs = visits.rankMs.sorted();
  return {
    seconds,
    visits: visits.visits,
    clicks: visits.clicks,
    rankedClickThrough: clickThrough(ranked),
    randomClickThrough: clickThrough(random),
    uplift: clickThrough(ranked) / clickThrough(random),
    standardErrors: standardErrorsAbove(ranked, random),
    aucFirstThird: exactAuc(scores.subarray(0, third), clicked.subarray(0, third)),
    aucLastThird: exactAuc(scores.subarray(-third), clicked.subarray(-third)),
    freshnessMsP50: percentile(freshness, 0.5),
    freshnessMsP99: percentile(freshness, 0.99),
    rankMsP50: percentile(rankMs, 0.5),
    rankMsP99: percentile(rankMs, 0.99),
    examples,
    examplesPerSecond: examples / seconds,
    tasteChanges: visits.audience.drifts,
  };
}

/** For people. */
export function describeSummary(summary: DemoSummary): string {
  const count = (value: number) => Math.round(value).toLocaleString("en");
  const { rankedClickThrough, randomClickThrough, uplift } = summary;
  return `
${summary.seconds} seconds, ${count(summary.visits)} visits, ${count(summary.clicks)} clicks, ${
    count(summary.tasteChanges)
  } changes of taste.

  click-through  ${share(rankedClickThrough)} as ranked, ${
    share(randomClickThrough)
  } in random order (last third): ${uplift.toFixed(2)} times
  AUC            ${summary.aucFirstThird.toFixed(3)} in the first third, ${
    summary.aucLastThird.toFixed(3)
  } in the last
  freshness      p50 ${milliseconds(summary.freshnessMsP50)}, p99 ${
    milliseconds(summary.freshnessMsP99)
  } from a click to scores that know it
  ranking        p50 ${milliseconds(summary.rankMsP50)}, p99 ${
    milliseconds(summary.rankMsP99)
  } for 20 candidates over HTTP
  learned from   ${counted(summary.examples, "example")}, ${
    count(summary.examplesPerSecond)
  } a second
`;
}

function share(value: number): string {
  return Number.isNaN(value) ? "-" : `${(100 * value).toFixed(1)}%`;
}

function milliseconds(value: number): string {
  if (Number.isNaN(value)) return "-";
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
