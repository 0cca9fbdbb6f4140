/**
 * The work of `cairn replay`: starts a mesh (or uses a running server), has the client's thread
 * send the dataset, and combines the figures of both sides.
 */
import { setTimeout as pause } from "node:timers/promises";
import { since } from "../../actors/trainer/progressive_validation.ts";
import type { ProgressiveValidation } from "../../actors/trainer/protocol.ts";
import type { Output } from "../command_line.ts";
import { typedOverrides } from "../dataset_options.ts";
import type { ReplayFlags } from "./command.ts";
import { CommandError } from "../errors.ts";
import { requireOneProcess } from "../one_process.ts";
import { loadConfiguration } from "../load_configuration.ts";
import { Progress, stderrTarget } from "../progress.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { withServer } from "../../server/machine/with_server.ts";
import {
  describeFigures,
  lostEvents,
  type MeshCounts,
  type MeshOutcomes,
  outcomesFromMetrics,
  outcomesOf,
  replayFigures,
} from "./figures.ts";
import { type TrainerScores, WARM_UP_SHARE } from "../load/task_figures.ts";
import { requireReportFolder } from "../report_file.ts";
import { notesOn } from "./figure_notes.ts";
import type { ReplayMeasurements } from "./replay_client.ts";
import { replayReport } from "./replay_report.ts";
import type { ReplayNews, ReplayOrder } from "./replay_worker.ts";
import { fetchFrom, requireServerUrl } from "../load/gateway_client.ts";
import { waitLearned } from "../../server/waits.ts";

/** Between two looks at the trainer, ms. */
const POLL_MS = 100;
const SETTLE_TRIES_MAX = 50;

/** Runs the command. */
export async function replay(flags: ReplayFlags, output: Output): Promise<void> {
  await requireReportFolder(flags.report);
  const result = flags.url === undefined
    ? await replayHere(flags, output)
    : await replayThere(flags, flags.url);
  await tell(flags, output, result);
}

/** The client's measurements and the server's counters. */
interface ReplayResult {
  readonly measured: ReplayMeasurements;
  readonly counts: MeshCounts;
  readonly scores: TrainerScores | undefined;
}

/** On a mesh in this process. */
async function replayHere(flags: ReplayFlags, output: Output): Promise<ReplayResult> {
  const set = ["gateway.port=0", "gateway.host=127.0.0.1", ...flags.set];
  const configuration = await loadConfiguration(flags.config, typedOverrides({ ...flags, set }));
  requireOneProcess(
    configuration,
    flags.config,
    "Name the address of one that serves by --url, or leave out the section mesh to replay here.",
  );
  return await withServer(configuration, { writeLog: output.err }, async ({ mesh, url }) => {
    const before = await outcomes(mesh);
    const warmUp = new WarmUp(mesh);
    const [apiKey = flags.apiKey] = configuration.gateway.apiKeys;
    const own = apiKey === undefined ? flags : { ...flags, apiKey };
    const measured = await runClient(own, url, (done, total) => warmUp.look(done, total));
    await waitLearned(mesh);
    const { trained } = await mesh.trainers.progressiveValidation();
    return {
      measured,
      counts: { before, after: await outcomes(mesh) },
      scores: { warmedUp: await warmUp.histograms(), trained },
    };
  });
}

/**
 * On a server that runs already: it is asked through its metrics, which do not tell the trainer's
 * own scores.
 */
async function replayThere(flags: ReplayFlags, url: string): Promise<ReplayResult> {
  requireServerUrl(url);
  const metrics = async () => {
    const response = await fetchFrom(url, "/metrics");
    const text = await response.text();
    if (!response.ok) {
      throw new CommandError(`${url}/metrics was answered ${response.status}: ${text}`);
    }
    return outcomesFromMetrics(text);
  };
  const before = await metrics();
  const measured = await runClient(flags, url, () => {});
  let after = await metrics();
  // Events whose example is still on its way to the trainer are not lost: give it a moment.
  for (
    let tries = 0;
    tries < SETTLE_TRIES_MAX && lostEvents(measured.accepted, { before, after }) > 0;
    tries++
  ) {
    await pause(POLL_MS);
    after = await metrics();
  }
  return { measured, counts: { before, after }, scores: undefined };
}

async function outcomes({ joiners, trainers }: RunningMesh): Promise<MeshOutcomes> {
  return outcomesOf(await joiners.status(), await trainers.status());
}

/**
 * Remembers the trainer's histograms from when it had seen {@link WARM_UP_SHARE} of the
 * interactions.
 */
class WarmUp {
  #nextLookMs = 0;
  #taken: ProgressiveValidation["trained"] | undefined;
  #looking: Promise<void> | undefined;

  constructor(readonly mesh: RunningMesh) {}

  look(pairsDone: number, pairs: number): void {
    const nowMs = performance.now();
    // The trainer is never ahead of the client, so there is nothing to see before.
    if (this.#taken !== undefined || this.#looking !== undefined) return;
    if (nowMs < this.#nextLookMs || pairsDone < pairs * WARM_UP_SHARE) return;
    this.#nextLookMs = nowMs + POLL_MS;
    this.#looking = this.mesh.trainers.progressiveValidation().then(({ trained }) => {
      const [first] = Object.values(trained);
      if (first.examples >= pairs * WARM_UP_SHARE) this.#taken = trained;
      this.#looking = undefined;
    });
  }

  /** @throws {CommandError} When the replay was over before its progress was read. */
  async histograms(): Promise<ProgressiveValidation["trained"]> {
    await this.#looking;
    // A replay of a few rows ends between two looks: then nothing is left out.
    if (this.#taken !== undefined) return this.#taken;
    const { trained } = await this.mesh.trainers.progressiveValidation();
    return Object.fromEntries(
      Object.entries(trained).map(([task, scores]) => [task, since(scores, scores)]),
    );
  }
}

/** Runs the client's thread to its end. */
async function runClient(
  flags: ReplayFlags,
  url: string,
  onPairs: (done: number, total: number) => void,
): Promise<ReplayMeasurements> {
  const worker = new Worker(new URL("./replay_worker.ts", import.meta.url), { type: "module" });
  let bar: Progress | undefined;
  let startedAtMs = 0;
  try {
    return await new Promise<ReplayMeasurements>((resolve, reject) => {
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(`The client's thread failed: ${event.message}`));
      };
      worker.onmessage = ({ data: news }: MessageEvent<ReplayNews>) => {
        switch (news.kind) {
          case "profiles":
          case "pairs": {
            if (bar?.label !== news.kind) {
              bar?.finish();
              bar = new Progress(news.kind, news.total, stderrTarget());
              startedAtMs = performance.now();
            }
            const seconds = (performance.now() - startedAtMs) / 1000;
            bar.update(news.done, seconds < 0.5 ? "" : `${Math.round(news.done / seconds)}/s`);
            if (news.kind === "pairs") onPairs(news.done, news.total);
            return;
          }
          case "finished":
            bar?.finish();
            return resolve(news.measurements);
          case "failed":
            return reject(new CommandError(news.message));
          default:
            news satisfies never;
        }
      };
      worker.postMessage({ flags, url } satisfies ReplayOrder);
    });
  } finally {
    worker.terminate();
  }
}

async function tell(flags: ReplayFlags, output: Output, result: ReplayResult): Promise<void> {
  const { measured, counts, scores } = result;
  const figures = replayFigures(measured, counts, scores);
  const notes = notesOn(figures, measured, counts);
  if (flags.report !== undefined) {
    await Deno.writeTextFile(flags.report, replayReport(flags, { figures, measured, notes }));
    output.err(`The report is in ${flags.report}\n`);
  }
  output.out(flags.json === true ? JSON.stringify(figures) + "\n" : describeFigures(figures));
  for (const note of notes) output.err(`${note}\n`);
  if (figures.lost > 0) {
    throw new CommandError(`${figures.lost} accepted events were lost.`);
  }
}
