/**
 * The coordination store, for a command.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { PlanFormatError, PlanReadersError } from "../../mesh/placement/plan_document.ts";
import type { Coordination, MeshView } from "../../mesh/ports/coordination.ts";
import { PlanConflictError, UnknownHostError } from "../../mesh/ports/coordination_errors.ts";
import { RecordsLostError } from "../../mesh/ports/record_store.ts";
import {
  openCoordination,
  type OpenedCoordination,
} from "../../server/machine/redis_coordination.ts";
import { InvariantError, present } from "../../structures/invariant.ts";
import { CommandError, exitCodes } from "../errors.ts";
import { loadConfiguration } from "../load_configuration.ts";
import type { PlacementFlags } from "./command.ts";

/** A command says after this time that the store does not answer, ms; hosts wait for longer. */
const OPEN_BUDGET_MS = 3_000;

/** The store of a mesh, and the configuration that names it. */
export interface MeshStore {
  readonly configuration: CairnConfiguration;
  readonly coordination: Coordination;
  readonly openExamples: OpenedCoordination["openExamples"];
  /** @throws {CommandError} No host has joined the mesh yet. */
  read(): Promise<MeshView>;
  /** As `read`; undefined where no host has joined the mesh yet. */
  find(): Promise<MeshView | undefined>;
  /** Whether a host that runs knows records that the store has lost. */
  isLossTold(): Promise<boolean>;
}

/**
 * Runs `work` on the store of the configuration's mesh.
 *
 * @throws {CommandError} There is no such store, it does not answer, or it has lost records and the
 * work does not accept that.
 */
export async function withMeshStore<T>(
  { config, set }: PlacementFlags,
  work: (store: MeshStore) => Promise<T>,
  { acceptsLoss = false } = {},
): Promise<T> {
  const overrides = { assignments: set };
  // With exit code 1, since 2 means changes where it is that of a plan.
  const configuration = await loadConfiguration(config, overrides, { serves: false })
    .catch((error: Error) => {
      throw new CommandError(error.message, exitCodes.failed, error);
    });
  const opened = await openCoordination(configuration, OPEN_BUDGET_MS).catch((error: Error) => {
    throw new CommandError(error.message);
  });
  const { coordination, openExamples, close } = opened;
  const find = () =>
    coordination.read().catch((error) => {
      if (error instanceof InvariantError) return undefined;
      throw error;
    });
  try {
    if (!acceptsLoss) await opened.requireNoLostRecords();
    return await work({
      configuration,
      coordination,
      openExamples,
      find,
      isLossTold: () =>
        opened.requireNoLostRecords().then(() => false, (error) => {
          if (error instanceof RecordsLostError) return true;
          throw error;
        }),
      async read() {
        const view = await find();
        if (view !== undefined) return view;
        const { id } = present(configuration.mesh, "a store belongs to a mesh");
        throw new CommandError(
          `No host has joined the mesh ${id} yet: start its hosts by cairn node.`,
        );
      },
    });
  } catch (error) {
    const isExpected = error instanceof UnknownHostError || error instanceof PlanConflictError ||
      error instanceof PlanFormatError || error instanceof PlanReadersError ||
      error instanceof RecordsLostError;
    throw isExpected ? new CommandError(error.message) : error;
  } finally {
    await close();
  }
}
