/**
 * All bugs to plant.
 */
import { eventPlants } from "./event_plants.ts";
import { learningPlants } from "./learning_plants.ts";
import { meshPlants } from "./mesh_plants.ts";
import { runtimePlants } from "./runtime_plants.ts";
import { servingPlants } from "./serving_plants.ts";
import { storagePlants } from "./storage_plants.ts";
import type { Plant } from "./plant.ts";

/** See {@link Plant}. */
export const plants: readonly Plant[] = [
  ...eventPlants,
  ...learningPlants,
  ...servingPlants,
  ...storagePlants,
  ...runtimePlants,
  ...meshPlants,
];
