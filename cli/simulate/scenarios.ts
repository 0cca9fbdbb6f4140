/**
 * Finds a scenario by its name, or in a module that exports one.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Scenario } from "../../simulation/scenarios/scenario.ts";
import { shippedScenarios } from "../../simulation/scenarios/shipped.ts";
import { CommandError } from "../errors.ts";
import { requireAccess } from "./access.ts";

const USAGE = 1;

/** @throws {CommandError} There is none. */
export async function findScenario(name: string): Promise<Scenario> {
  const shipped = shippedScenarios.find((scenario) => scenario.name === name);
  if (shipped !== undefined) return shipped;
  if (!name.endsWith(".ts")) {
    const names = shippedScenarios.map((scenario) => scenario.name).join(", ");
    throw new CommandError(
      `There is no scenario "${name}"; choose ${names}, or a module that exports one.`,
      USAGE,
    );
  }
  requireAccess("read", "--scenario", name);
  const module = await import(pathToFileURL(resolve(name)).href) as { scenario?: Scenario };
  if (module.scenario !== undefined) return module.scenario;
  throw new CommandError(`${name} exports no "scenario".`, USAGE);
}
