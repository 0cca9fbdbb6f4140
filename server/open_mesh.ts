/**
 * Opens the mesh of a host that starts. Hosts that it cannot run beside and whose leases have
 * expired get the time of one more lease to come back, as after every absence of the store: they
 * may have been cut off from it, and are not to lose their mesh to a file that was started a moment
 * earlier.
 */
import type { Coordination, MeshIdentity, MeshOpening } from "../mesh/ports/coordination.ts";
import { SilentHostsError } from "../mesh/ports/coordination_errors.ts";
import type { OpenStoresOptions } from "./open_stores.ts";

/**
 * @throws {MeshMismatchError} Hosts run that it cannot run beside.
 * @throws {ProcessRunsError} A process that belongs to no mesh uses its logs.
 * @throws {ProtocolMismatchError} It does not speak the protocol of the mesh.
 * @throws {RecordStoreUnavailableError} The store does not answer.
 */
export async function openMesh(
  coordination: Coordination,
  settings: MeshOpening,
  { clock, telemetry, onStep }: OpenStoresOptions,
): Promise<MeshIdentity> {
  let silent: SilentHostsError | undefined;
  for (;;) {
    try {
      return await coordination.open(settings, silent?.hosts);
    } catch (error) {
      if (!(error instanceof SilentHostsError)) throw error;
      silent = error;
    }
    const { message, waitMs } = silent;
    onStep?.("waiting for hosts of the mesh that it cannot run beside");
    telemetry.log("warn", message, { waitMs });
    await new Promise<void>((resolve) => void clock.schedule(waitMs, resolve));
  }
}
