/**
 * {@link Coordination} by pure rules over any {@link RecordStore}.
 */
import type {
  AcceptedBlobs,
  ControlTurn,
  Coordination,
  ExpectedPlan,
  HostDescription,
  HostLease,
  HostRecord,
  HostReport,
  HostRun,
  ManifestOffer,
  ManifestRecord,
  MeshIdentity,
  MeshOpening,
  MeshView,
  PlaceCommand,
  PlacedKey,
  Placement,
  PlanRecord,
  SnapshotOwners,
} from "../../ports/coordination.ts";
import type { PlacementHistory } from "../../ports/placement_history.ts";
import type { ReshardRecord, ReshardRequest } from "../../ports/resharding.ts";
import type { Random } from "../../ports/random.ts";
import type { Json, RecordStore } from "../../ports/record_store.ts";
import {
  acceptLoss,
  markBlobs,
  openMesh,
  publishManifest,
  recordOldestSnapshot,
  writePlan,
} from "./document_rules.ts";
import {
  acquireControl,
  joinHost,
  type LeaseOptions,
  leaveHost,
  releaseControl,
  removeExpired,
  renewHost,
  setHostState,
} from "./host_rules.ts";
import { keysOfPlace, place } from "./placement_rules.ts";
import { readMesh } from "./read_mesh.ts";
import { recordKeys, records } from "./record_keys.ts";
import { askReshard, beginReshard, cancelReshard, endReshard } from "./reshard_rules.ts";

/** Options of {@link Coordinator}. */
export interface CoordinatorOptions extends LeaseOptions {
  readonly store: RecordStore;
  /** Mints the identity of a new mesh. */
  readonly random: Random;
}

export class Coordinator implements Coordination {
  readonly #store: RecordStore;
  readonly #options: CoordinatorOptions;

  constructor(options: CoordinatorOptions) {
    this.#store = options.store;
    this.#options = options;
  }

  open(
    settings: MeshOpening,
    silent: readonly HostRecord[] = [],
  ): Promise<MeshIdentity> {
    const { random, hostTtlMs } = this.#options;
    const mesh = random.uuid("mesh");
    return this.#store.transact((view) => openMesh(view, settings, mesh, { silent, hostTtlMs }));
  }

  markBlobs(mark: string): Promise<string> {
    return this.#store.transact((view) => markBlobs(view, mark), { keys: [recordKeys.identity] });
  }

  read(): Promise<MeshView> {
    return this.#store.transact(readMesh);
  }

  history(key: PlacedKey): Promise<PlacementHistory> {
    return this.#store.transact((view) => records.history(view, key), {
      keys: [recordKeys.history(key)],
    });
  }

  watch(since: number, timeoutMs: number): Promise<number> {
    return this.#store.watch(since, timeoutMs);
  }

  join(host: HostDescription): Promise<HostLease> {
    return this.#store.transact((view) => joinHost(view, host, this.#options));
  }

  renew(run: HostRun, report?: HostReport): Promise<HostLease> {
    return this.#store.transact((view) => renewHost(view, run, report, this.#options), {
      keys: leaseKeys(run),
    });
  }

  leave(run: HostRun): Promise<void> {
    return this.#store.transact((view) => leaveHost(view, run), { keys: leaseKeys(run) });
  }

  setHostState(host: string, state: HostRecord["state"]): Promise<void> {
    return this.#store.transact((view) => setHostState(view, host, state));
  }

  removeExpired(controllerEpoch: number, run: HostRun): Promise<boolean> {
    return this.#store.transact((view) => removeExpired(view, controllerEpoch, run), {
      keys: leaseKeys(run),
    });
  }

  acquireControl(run: HostRun): Promise<ControlTurn> {
    return this.#store.transact((view) => acquireControl(view, run, this.#options), {
      keys: leaseKeys(run),
    });
  }

  releaseControl(controllerEpoch: number): Promise<void> {
    return this.#store.transact((view) => releaseControl(view, controllerEpoch), {
      keys: [recordKeys.control],
    });
  }

  place(command: PlaceCommand): Promise<ReadonlyMap<PlacedKey, Placement>> {
    return this.#store.transact((view) => place(view, command), { keys: keysOfPlace(command) });
  }

  publishManifest(offer: ManifestOffer): Promise<ManifestRecord> {
    return this.#store.transact((view) => publishManifest(view, offer), {
      keys: [recordKeys.manifest, recordKeys.counts, ...Object.keys(offer.epochs)],
    });
  }

  recordOldestSnapshot(oldest: string, owners: SnapshotOwners): Promise<boolean> {
    const { oldestSnapshot, counts } = recordKeys;
    return this.#store.transact((view) => recordOldestSnapshot(view, oldest, owners), {
      keys: [oldestSnapshot, counts, ...Object.keys(owners.epochs)],
    });
  }

  writePlan(expected: ExpectedPlan, document: Json): Promise<PlanRecord> {
    return this.#store.transact((view) => writePlan(view, expected, document), {
      keys: [recordKeys.plan, recordKeys.counts, recordKeys.control],
    });
  }

  askReshard(request: ReshardRequest): Promise<ReshardRecord> {
    return this.#store.transact((view) => askReshard(view, request));
  }

  cancelReshard(): Promise<ReshardRecord> {
    return this.#store.transact((view) => cancelReshard(view), { keys: [recordKeys.reshard] });
  }

  beginReshard(
    run: HostRun,
    change: Pick<ReshardRecord, "parts" | "division">,
  ): Promise<MeshIdentity> {
    return this.#store.transact((view) => beginReshard(view, run, change));
  }

  endReshard(
    controllerEpoch: number,
    change: Pick<ReshardRecord, "parts" | "division">,
  ): Promise<void> {
    return this.#store.transact((view) => endReshard(view, controllerEpoch, change));
  }

  acceptLoss(blobs: AcceptedBlobs): Promise<void> {
    return this.#store.transact((view) => acceptLoss(view, blobs));
  }
}

/** The records that decide about the lease of one host and the controller's. */
function leaseKeys({ host }: HostRun): string[] {
  return [recordKeys.host(host), recordKeys.control, recordKeys.counts];
}
