/**
 * The work of `cairn demo-mesh`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import {
  isInstalled,
  LocalServer,
  type ServerProgram,
} from "../../mesh/adapters/redis/local_server.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { percentile, Samples } from "../../offline/evaluation/samples.ts";
import type { Output } from "../command_line.ts";
import { Audience, demoAudience } from "../demo/audience.ts";
import { CommandError } from "../errors.ts";
import { FreshnessTracker } from "../load/freshness.ts";
import { bundledFile } from "../options.ts";
import { ClickAudit } from "./click_audit.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import type { DemoMeshFlags } from "./command.ts";
import { recordFailure } from "./failure_record.ts";
import { LogFollower } from "./log_follower.ts";
import { Gateways } from "./gateways.ts";
import { HostProcesses } from "./host_processes.ts";
import { allHosts, demoHosts, meshFile } from "./mesh_file.ts";
import { PlacementWatch } from "./placement_watch.ts";
import { ReservedPorts } from "./reserved_ports.ts";
import { Shoppers } from "./shoppers.ts";
import { brokenPromises } from "./verdict.ts";

/** The result of the demo. */
export interface DemoMeshSummary {
  readonly hosts: number;
  /** Shards that moved to another host while it ran. */
  readonly moves: number;
  /** Processes that were killed, the Redis server included. */
  readonly kills: number;
  readonly restarts: number;
  /** Hosts that did not run for longer than their lease, and were started again. */
  readonly rejoined: number;
  /** Clicks that gateways accepted on rankings that are in the event log. */
  readonly accepted: number;
  /** Clicks on rankings that were answered without the log: nothing is learned from them. */
  readonly unlogged: number;
  /** Positive examples. */
  readonly learned: number;
  /** Clicks that a gateway refused, because another one could not share their ranking in time. */
  readonly refused: number;
  readonly lost: number;
  readonly twice: number;
  /** Failed attempts at a ranking, outside of the second after a kill of that gateway. */
  readonly rankErrors: number;
  readonly rankP99MsQuiet: number;
  readonly rankP99MsDuring: number;
  /** Measured in the quiet time. */
  readonly freshnessMsP99: number;
  /** Longest time from the store's knowledge of a freeze to the new owner, ms, by its clock. */
  readonly freezeMsMax: number;
}

/** Pause after a host is back, in which the mesh settles, ms. */
const SETTLE_MS = 2_000;
/** Time for everything accepted to be learned at the end, ms. */
const LEARNED_MS_MAX = 60_000;
/** Time for all hosts to be back at the end, ms. */
const BACK_MS_MAX = 60_000;

/** Runs the command. */
export async function demoMesh(flags: DemoMeshFlags, output: Output): Promise<void> {
  requireInstalled(flags.server);
  const folder = await Deno.makeTempDir({ prefix: "cairn-mesh-" });
  const beganMs = performance.now();
  const steps = new Steps(output);
  try {
    await demoIn(folder, flags, steps);
  } catch (error) {
    const atMs = performance.now() - beganMs;
    const failure = { error, step: steps.last, atMs, load: Deno.loadavg() };
    output.err(`${await recordFailure(folder, failure)}\n`);
    throw error;
  }
  if (flags.keep === true) output.err(`Configuration, data and logs are in ${folder}\n`);
  else await Deno.remove(folder, { recursive: true });
}

/** The steps of the demo, as they are said. */
class Steps {
  readonly output: Output;
  last = "";

  constructor(output: Output) {
    this.output = output;
  }

  say(step: string): void {
    this.last = step;
    this.output.err(`${step}\n`);
  }
}

async function demoIn(folder: string, flags: DemoMeshFlags, steps: Steps): Promise<void> {
  const { output } = steps;
  await using cleanup = new AsyncDisposableStack();
  await Deno.mkdir(`${folder}/redis`);
  const server = await LocalServer.start({ program: flags.server, directory: `${folder}/redis` });
  cleanup.defer(() => server.kill());
  const demo = await Deno.readTextFile(bundledFile("examples/demo.yaml"));
  const reserved = ReservedPorts.take(2 * allHosts.length);
  cleanup.defer(() => reserved.release());
  const { text, ports } = meshFile(demo, server.url, reserved.ports);
  const file = `${folder}/mesh.yaml`;
  await Deno.writeTextFile(file, text);
  const hosts = new HostProcesses({
    configuration: file,
    folder,
    onRejoined: (host) =>
      output.err(`${host} did not run for longer than its lease, and is started again\n`),
  });
  cleanup.defer(() => hosts.killAll());
  steps.say(`Starting ${flags.server} and the hosts ${allHosts.join(", ")}`);
  const [joining] = demoHosts.joining;
  const first = hosts.start(...allHosts.filter((host) => host !== joining));
  await Promise.race([first, hosts.failure]);

  const configuration = parseConfiguration(text, file);
  const { features, partitions } = configuration;
  const { coordination, close } = await openCoordination(configuration);
  cleanup.defer(close);
  const watch = new PlacementWatch(coordination);
  cleanup.defer(() => watch.close());
  const audit = new ClickAudit(features.schema, FeatureHasher.create());
  const examples = { name: "examples", partitions: partitions.examples };
  const events = { name: "events", partitions: partitions.events };
  const followers = [
    await LogFollower.open(server.url, examples, (bytes) => audit.example(bytes)),
    await LogFollower.open(server.url, events, (bytes) => audit.event(bytes)),
  ];
  cleanup.defer(() => followers.forEach((follower) => follower.close()));
  const gateways = new Gateways(
    new Map(demoHosts.serving.map((host) => [host, ports.get(host) ?? 0])),
    (reason) => output.err(`an attempt at a ranking failed: ${reason}\n`),
  );
  cleanup.defer(() => gateways.close());
  const shoppers = new Shoppers({
    gateways,
    audience: new Audience(demoAudience, new SeededRandom(flags.seed)),
    audit,
    rate: flags.rate,
    runId: crypto.randomUUID(),
  });
  await shoppers.introduce();
  const visits = shoppers.run();
  const scene = { flags, steps, hosts, server, gateways, shoppers, watch };
  const toTheEnd = async () => {
    const story = tell(scene);
    const told = await Promise.race([story, visits.then(() => story)]); // a failed visit ends it
    steps.say("waiting until everything is learned");
    shoppers.stop();
    await visits;
    await untilLearned(shoppers);
    for (const follower of followers) await follower.catchUp();
    return { ...told, away: await hostsAway(scene) };
  };
  const { quiet, movesOf, away, ...counts } = await Promise.race([toTheEnd(), hosts.failure]);
  const summary: DemoMeshSummary = {
    hosts: allHosts.length,
    moves: watch.moves,
    rejoined: hosts.rejoined,
    ...counts,
    ...audit.result(),
    refused: shoppers.refused,
    rankErrors: gateways.rankErrors,
    rankP99MsQuiet: percentile(quiet.rankMs.sorted(), 0.99),
    rankP99MsDuring: percentile(gateways.rankMs.sorted(), 0.99),
    freshnessMsP99: percentile(quiet.freshness.samples.sorted(), 0.99),
    freezeMsMax: watch.freezeMsMax,
  };
  output.out(flags.json === true ? JSON.stringify(summary) + "\n" : describe(summary));
  const broken = brokenPromises({ ...summary, movesOf, away });
  if (broken.length > 0) throw new CommandError(`The mesh failed: ${broken.join("; ")}.`);
}

interface Scene {
  readonly flags: DemoMeshFlags;
  readonly steps: Steps;
  readonly hosts: HostProcesses;
  readonly server: LocalServer;
  readonly gateways: Gateways;
  readonly shoppers: Shoppers;
  readonly watch: PlacementWatch;
}

/** The quiet time, the kills and the restarts. */
async function tell(scene: Scene) {
  const { flags, steps, hosts, server, gateways, shoppers } = scene;
  steps.say(`${flags.seconds} quiet seconds`);
  await pause(2_000); // the first rankings find cold caches
  gateways.rankMs = new Samples();
  shoppers.freshness = new FreshnessTracker();
  await pause(1_000 * flags.seconds);
  const quiet = { rankMs: gateways.rankMs, freshness: shoppers.freshness };
  gateways.rankMs = new Samples();
  shoppers.freshness = new FreshnessTracker();

  const movesOf = await moveShards(scene);
  const { tables, learning, serving } = demoHosts;
  const killed = [tables[0], ...learning, serving[0]];
  for (const host of killed) {
    steps.say(`kill -9 ${host}`);
    gateways.killed(host);
    await hosts.end(host, "SIGKILL");
    await pause(SETTLE_MS); // the others go on without it
    await hosts.start(host);
    await pause(SETTLE_MS);
  }
  steps.say(`kill -9 ${flags.server}`);
  await server.kill();
  await server.start();
  await pause(SETTLE_MS);
  let restarts = 0;
  for (const host of flags.short === true ? [] : allHosts) {
    steps.say(`restart ${host}`);
    const { code } = await hosts.end(host, "SIGTERM");
    if (code !== 0) throw new CommandError(`Host ${host} has stopped with exit code ${code}.`);
    await hosts.start(host);
    restarts++;
    await pause(SETTLE_MS);
  }
  return { quiet, movesOf, kills: killed.length + 1, restarts };
}

/**
 * A host joins and gets shards; another one is drained, and gets some again.
 *
 * @returns Live moves of each step, by its name.
 */
async function moveShards({ steps, hosts, watch }: Scene): Promise<Record<string, number>> {
  const [joining] = demoHosts.joining;
  const [drained] = demoHosts.tables;
  const isEven = (shards: ReadonlyMap<string, number>) =>
    [...demoHosts.tables, joining].every((host) => (shards.get(host) ?? 0) > 0);
  const movesOf: Record<string, number> = {};
  const step = async (name: string, work: () => Promise<void>) => {
    steps.say(name);
    const before = watch.moves;
    await work();
    movesOf[name] = watch.moves - before;
  };
  await step(`${joining} joins`, async () => {
    await hosts.start(joining);
    await watch.until(`${joining} has not got shards`, isEven);
  });
  await step(`drain ${drained}`, async () => {
    await watch.setHostState(drained, "draining");
    await watch.until(`${drained} was not drained`, (shards) => (shards.get(drained) ?? 0) === 0);
  });
  await step(`undrain ${drained}`, async () => {
    await watch.setHostState(drained, "up");
    await watch.until(`${drained} has not got shards again`, isEven);
  });
  return movesOf;
}

/** Waits until all hosts are back; the names of those that are not in time. */
async function hostsAway({ watch, gateways }: Scene): Promise<string[]> {
  const endsMs = performance.now() + BACK_MS_MAX;
  for (;;) {
    const away = allHosts.filter((host) => !watch.isUp(host) || gateways.isLeftOut(host));
    if (away.length === 0 || performance.now() > endsMs) return away;
    await pause(50);
  }
}

/** Waits until answers have learned from everything that was accepted. */
async function untilLearned(shoppers: Shoppers): Promise<void> {
  const endsMs = performance.now() + LEARNED_MS_MAX;
  while (shoppers.learnedThroughMs < shoppers.acceptedAtMs) {
    if (performance.now() > endsMs) {
      const lateMs = shoppers.acceptedAtMs - shoppers.learnedThroughMs;
      throw new CommandError(
        `${
          LEARNED_MS_MAX / 1_000
        } seconds after the last click, answers have not learned from the ` +
          `last ${Math.round(lateMs)} ms of clicks. Run it again with --keep and read the logs.`,
      );
    }
    await pause(50);
    await shoppers.look();
  }
}

function requireInstalled(program: ServerProgram): void {
  if (isInstalled(program)) return;
  throw new CommandError(
    `${program} is not installed: \`apt-get install ${
      program === "redis-server" ? "redis-server" : "valkey-server"
    }\` installs it on Debian 13, or choose the other by --server.`,
  );
}

/** For people. */
function describe(summary: DemoMeshSummary): string {
  const ms = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
  return `
${summary.hosts} hosts, ${summary.kills} kills, ${summary.restarts} restarts.

  shards     ${summary.moves} moved to other hosts, each frozen for at most ${
    ms(summary.freezeMsMax)
  } as the store knows it
  clicks     ${summary.accepted} accepted, ${summary.lost} lost, ${summary.twice} learned twice
  rankings   p99 ${ms(summary.rankP99MsQuiet)} when quiet, ${
    ms(summary.rankP99MsDuring)
  } meanwhile; ${summary.rankErrors} failed attempts
  freshness  p99 ${ms(summary.freshnessMsP99)} when quiet
`;
}
