/**
 * A thread that runs seeds of a campaign: gets the campaign, then one seed at a time.
 */
import { runSeed, type SeedOptions, type SeedTask } from "../../simulation/seed_run.ts";
import { findScenario } from "./scenarios.ts";

/** A campaign as plain data. */
export interface WorkerCampaign extends Omit<SeedOptions, "scenario"> {
  /** Name of a scenario that ships, or path of a module. */
  readonly scenario: string;
}

/** The messages of a worker's owner. */
export type WorkerMessage = WorkerCampaign | SeedTask;

interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerMessage>) => void) | null;
  postMessage(value: unknown): void;
}

const scope = self as unknown as WorkerScope;
let options: Promise<SeedOptions> | undefined;

scope.onmessage = async ({ data }) => {
  if ("scenario" in data) {
    const scenario = findScenario(data.scenario);
    options = scenario.then((found) => ({ ...data, scenario: found }));
    options.catch(() => {}); // reported with the first seed
    return;
  }
  try {
    if (options === undefined) throw new Error("a worker gets its campaign first");
    scope.postMessage({ result: await runSeed(await options, data) });
  } catch (error) {
    scope.postMessage({ error: error instanceof Error ? error.stack : String(error) });
  }
};
