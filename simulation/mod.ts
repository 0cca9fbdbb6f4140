/**
 * Deterministic simulation for tests: `import { simulate } from "@cairn/cairn/simulation"`.
 *
 * @module
 */
export type {
  ActorContext,
  ActorDefinition,
  Behavior,
  Message,
  Request,
} from "../mesh/runtime/actor.ts";
export { always, type Check, eventually, sometimes } from "./checks.ts";
export type { ActorEvent } from "./checks.ts";
export type { Fault, FaultFamily } from "./plan/fault.ts";
export {
  simulate,
  type SimulateOptions,
  type Simulation,
  SimulationError,
  type SimulationFailure,
} from "./simulate.ts";
export { type Scenario } from "./scenarios/scenario.ts";
export { shopConfiguration, visitShop } from "./scenarios/shop.ts";
export { Visitor } from "./world/visitor.ts";
export type { World } from "./world/world.ts";
export type { OwnActor, OwnActors } from "./world/program.ts";
