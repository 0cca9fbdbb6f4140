/**
 * Kills a server at random moments and at chosen system calls, and checks that every accepted event
 * was learned once, and that the model has the bits of a run without kills.
 *
 * The bits are compared for one trainer: a second server learns from a copy of the killed one's
 * example log, from its beginning and without interruption. Several trainers average their dense
 * weights by time, so for them only the counts are checked, and the difference of both models is
 * told.
 */
import { isDeepStrictEqual } from "node:util";
import { eventually, MeshProcess, NotReadyError } from "../integration/mesh_process.ts";
import { type Event, type PlacementName, smallConfiguration } from "../integration/small_mesh.ts";
import { copyFolder } from "./folders.ts";
import { countExampleRows } from "./example_rows.ts";
import { Choices } from "./random.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { modelDifference } from "../records/model_difference.ts";
import { snapshotBits } from "../records/snapshot_bits.ts";
import { Traffic } from "./traffic.ts";

export interface KillsResult {
  kills: number;
  accepted: number;
  learned: number;
  lost: number;
  twice: number;
  bitEqual: boolean;
  maxRecoveryMs: number;
}

interface Arrangement {
  readonly placement: PlacementName;
  readonly trainers: number;
  readonly shards: number;
}

const arrangements: readonly Arrangement[] = [
  { placement: "in one thread", trainers: 1, shards: 2 },
  { placement: "in worker threads", trainers: 1, shards: 3 },
  { placement: "in worker threads", trainers: 3, shards: 4 },
  { placement: "in one thread", trainers: 2, shards: 3 },
];

/** System calls after which a file is in a state of its own. */
const killedCalls = ["fdatasync", "fsync", "rename", "unlink", "ftruncate", "pwrite64", "write"];
const VISITORS = 4;
const KILL_AFTER_MAX_MS = 1_200;
const READY_MAX_MS = 120_000;

export interface KillsOptions {
  readonly kills: number;
  readonly seed: number;
  /** Takes a line about each finding and step. */
  readonly tell: (line: string) => void;
}

/** Divides the kills among all arrangements. */
export async function soakKills({ kills, seed, tell }: KillsOptions): Promise<KillsResult> {
  const total: KillsResult = {
    kills: 0,
    accepted: 0,
    learned: 0,
    lost: 0,
    twice: 0,
    bitEqual: true,
    maxRecoveryMs: 0,
  };
  const strace = await hasStrace();
  if (!strace) tell("strace is not there: kills come at random moments only");
  for (const [i, arrangement] of arrangements.entries()) {
    const share = Math.floor((kills * (i + 1)) / arrangements.length) -
      Math.floor((kills * i) / arrangements.length);
    if (share === 0) continue;
    const run = new KilledRun(arrangement, new Choices(seed + i, "kills"), strace, tell);
    const result = await run.run(share);
    total.kills += result.kills;
    total.accepted += result.accepted;
    total.learned += result.learned;
    total.lost += result.lost;
    total.twice += result.twice;
    total.bitEqual &&= result.bitEqual;
    total.maxRecoveryMs = Math.max(total.maxRecoveryMs, result.maxRecoveryMs);
    const { placement, trainers, shards } = arrangement;
    tell(`${placement}, ${trainers} trainers, ${shards} shards: ${JSON.stringify(result)}`);
  }
  return total;
}

/** One arrangement's kills on one data directory. */
class KilledRun {
  readonly #folder = Deno.makeTempDirSync({ prefix: "cairn-soak-" });
  readonly #traffic = new Traffic();
  #maxRecoveryMs = 0;

  constructor(
    readonly arrangement: Arrangement,
    readonly choices: Choices,
    readonly strace: boolean,
    readonly tell: (line: string) => void,
  ) {}

  async run(kills: number): Promise<KillsResult> {
    const traffic = this.#traffic;
    const configuration = this.#configure("data");
    try {
      let known: Event | undefined;
      for (let kill = 0; kill < kills; kill++) {
        known = await this.#runUntilKilled(configuration, known) ?? known;
      }
      const server = await this.#start(configuration);
      await traffic.resend(server.client);
      if (known !== undefined) await traffic.recheck(server.client, known);
      const accepted = traffic.answered.size;
      const learned = () => server.metric("cairn_trainer_rows_learned");
      await eventually(async () => await learned() >= accepted, READY_MAX_MS);
      await new Promise((resolve) => setTimeout(resolve, 300)); // more would come now
      const rows = await learned();
      await this.#stop(server);
      const log = countExampleRows(`${this.#folder}/data/examples`);
      for (const wrong of traffic.wrong) this.tell(`WRONG: ${wrong}`);
      if (log.gaps > 0) this.tell(`WRONG: ${log.gaps} gaps in the numbers of rows`);
      return {
        kills,
        accepted,
        learned: rows,
        lost: Math.max(0, accepted - Math.min(rows, log.distinct)) + traffic.wrong.length,
        twice: Math.max(0, Math.max(rows, log.rows) - log.distinct) + log.gaps,
        bitEqual: await this.#isLikeSteadyRun(rows),
        maxRecoveryMs: Math.round(this.#maxRecoveryMs),
      };
    } finally {
      await Deno.remove(this.#folder, { recursive: true });
    }
  }

  #configure(data: string): string {
    const { placement, trainers, shards } = this.arrangement;
    const storage = `{ kind: directory, path: ${data}, snapshots: { interval: 1s, spread: 0s } }`;
    const path = `${this.#folder}/${data}.yaml`;
    Deno.writeTextFileSync(
      path,
      smallConfiguration(placement, storage, trainers)
        .replace("shards: { count: 4 }", `shards: { count: ${shards} }`)
        // No window closes: an example is made by its event alone.
        .replace("window: 2s", "window: 1d"),
    );
    return path;
  }

  async #start(configuration: string): Promise<MeshProcess> {
    const beganMs = performance.now();
    const server = await MeshProcess.start(configuration, { readyMsMax: READY_MAX_MS });
    this.#maxRecoveryMs = Math.max(this.#maxRecoveryMs, performance.now() - beganMs);
    return server;
  }

  /** @returns An event that was answered. */
  async #runUntilKilled(
    configuration: string,
    known: Event | undefined,
  ): Promise<Event | undefined> {
    const { choices } = this;
    if (this.strace && choices.chance(0.35)) {
      const call = choices.of(killedCalls);
      const at = 1 + choices.below(call === "write" || call === "pwrite64" ? 400 : 40);
      return await this.#visitUntilCallKills(configuration, call, at);
    }
    if (choices.chance(0.2)) { // while it starts
      const server = MeshProcess.spawn(configuration);
      await new Promise((resolve) => setTimeout(resolve, choices.below(KILL_AFTER_MAX_MS)));
      await server.kill("SIGKILL");
      return undefined;
    }
    const server = await this.#start(configuration);
    await this.#traffic.resend(server.client);
    if (known !== undefined) await this.#traffic.recheck(server.client, known);
    let killed = false;
    const visits = this.#traffic.visit(server.client, VISITORS, () => killed);
    if (choices.chance(0.7)) { // a loaded machine may not answer within the time below
      const before = this.#traffic.answered.size;
      await eventually(() => Promise.resolve(this.#traffic.answered.size > before));
    }
    await new Promise((resolve) => setTimeout(resolve, choices.below(KILL_AFTER_MAX_MS)));
    killed = true;
    await server.kill("SIGKILL");
    return await visits;
  }

  /** The n-th call of a system call ends the process before it returns. */
  async #visitUntilCallKills(
    configuration: string,
    call: string,
    at: number,
  ): Promise<Event | undefined> {
    const under = ["strace", "--kill-on-exit", "-f", "-qq", "-o", "/dev/null"];
    const server = MeshProcess.spawn(configuration, {
      under: [...under, "-e", `trace=${call}`, "-e", `inject=${call}:signal=SIGKILL:when=${at}`],
    });
    let ended = false;
    server.ended.then(() => ended = true);
    try {
      await server.ready(READY_MAX_MS);
      await this.#traffic.resend(server.client);
      const visits = this.#traffic.visit(server.client, VISITORS, () => ended);
      const timer = setTimeout(() => {
        ended = true;
        server.kill("SIGKILL");
      }, 3 * KILL_AFTER_MAX_MS);
      return await visits.finally(() => clearTimeout(timer));
    } catch (error) {
      if (error instanceof NotReadyError || ended) return undefined;
      // The process died while events were sent again; they stay unanswered or were answered.
      if (await Promise.race([server.ended.then(() => true), delay(2_000)])) return undefined;
      throw error;
    } finally {
      await server.kill("SIGKILL");
    }
  }

  /** With one trainer it has the same bits, with several the same rows. */
  async #isLikeSteadyRun(rows: number): Promise<boolean> {
    const steady = `${this.#folder}/steady`;
    await Deno.mkdir(steady);
    for (const log of ["events", "examples"]) {
      await copyFolder(`${this.#folder}/data/${log}`, `${steady}/${log}`);
    }
    // Without the trim floor the steady run reads from the first example on.
    for (const file of ["(trimmed).json", "snapshotter.json"]) {
      const path = `${steady}/examples/offsets/${encodeURIComponent(file.slice(0, -5))}.json`;
      await Deno.remove(path).catch(() => {});
    }
    const server = await MeshProcess.start(this.#configure("steady"));
    await eventually(
      async () => await server.metric("cairn_trainer_rows_learned") >= rows,
      READY_MAX_MS,
    );
    await this.#stop(server);
    const stores = ["data", "steady"].map((name) =>
      new DirectoryBlobStore(`${this.#folder}/${name}/blobs`)
    );
    if (this.arrangement.trainers > 1) {
      const difference = await modelDifference(stores[0], stores[1]);
      this.tell(`difference to a run without kills: ${JSON.stringify(difference)}`);
      return difference.unmatched === 0;
    }
    const [killed, unkilled] = await Promise.all(stores.map(snapshotBits));
    const equal = isDeepStrictEqual(killed, unkilled);
    if (!equal) {
      const differing = killed.rows.filter((row, i) => row !== unkilled.rows[i]).length;
      this.tell(`NOT EQUAL: ${differing} of ${killed.rows.length} rows`);
      this.tell(JSON.stringify([killed.trainers, unkilled.trainers]).slice(0, 2_000));
    }
    return equal;
  }

  async #stop(server: MeshProcess): Promise<void> {
    const { success } = await server.kill("SIGTERM");
    if (!success) throw new Error(`The server did not stop in good order: ${server.said}`);
  }
}

const delay = (ms: number) => new Promise<false>((resolve) => setTimeout(() => resolve(false), ms));

async function hasStrace(): Promise<boolean> {
  const strace = new Deno.Command("strace", {
    args: ["--kill-on-exit", "-f", "-qq", "-o", "/dev/null", "true"],
    stdout: "null",
    stderr: "null",
  });
  return await strace.output().then(({ success }) => success, () => false);
}
