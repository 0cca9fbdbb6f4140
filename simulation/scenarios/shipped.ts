/**
 * The scenarios that ship, by name.
 */
import { erasureScenarios } from "./erasure_scenarios.ts";
import { learningScenarios } from "./learning_scenarios.ts";
import { meshErasureScenarios } from "./mesh_erasure_scenarios.ts";
import { meshLossScenarios } from "./mesh_loss_scenarios.ts";
import { meshScenarios } from "./mesh_scenarios.ts";
import { processScenarios } from "./process_scenarios.ts";
import type { Scenario } from "./scenario.ts";
import { servingScenarios } from "./serving_scenarios.ts";

/** In the order in which `--help` lists them; the first is the default. */
export const shippedScenarios: readonly Scenario[] = [
  ...processScenarios,
  ...servingScenarios,
  ...learningScenarios,
  ...erasureScenarios,
  ...meshScenarios,
  ...meshLossScenarios,
  ...meshErasureScenarios,
];
