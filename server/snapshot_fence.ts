/**
 * Lets a snapshot count only if no shard was lost while it was made.
 *
 * A shard whose host is lost begins again at the newest snapshot. A snapshot that was begun before
 * that has later rows of the shard than its new owner: if it became the newest one, and older ones
 * were deleted, trainers could not go back far enough. So a snapshot is begun under the generation
 * of the mesh, which each takeover raises, and the epochs of the trainers, and the coordination
 * store refuses it where one of them has changed. A host that was removed begins none: a process
 * without a mesh may have learned on since, and changes no owner.
 */
import {
  type Coordination,
  type HostRun,
  isSameRun,
  type PlacedKey,
} from "../mesh/ports/coordination.ts";
import { FIRST_TRAINER } from "./addresses.ts";
import type { HostBlobs } from "./host_blobs.ts";
import type { SnapshotPublication, SnapshotPublisher } from "../actors/snapshotter/publisher.ts";

export class SnapshotFence implements SnapshotPublisher {
  readonly blobs: HostBlobs;
  readonly #run: HostRun;
  #coordination: Coordination | undefined;

  /** @param run The run of this host. */
  constructor(blobs: HostBlobs, run: HostRun) {
    this.blobs = blobs;
    this.#run = run;
  }

  /** Takes the store once this host has joined the mesh; undefined when it leaves. */
  attach(coordination: Coordination | undefined): void {
    this.#coordination = coordination;
  }

  async begin(tenure: number | undefined): Promise<SnapshotPublication> {
    const coordination = this.#coordination;
    if (coordination === undefined) {
      throw new Error("this host is not in contact with the Redis server of the mesh");
    }
    const { identity, generation, hosts, placements, manifest } = await coordination.read();
    const host = hosts.get(this.#run.host);
    if (host === undefined || !isSameRun(host, this.#run)) {
      throw new Error("this host was removed from the mesh");
    }
    if (tenure !== undefined && placements.get(FIRST_TRAINER)?.epoch !== tenure) {
      throw new Error("another host takes the snapshots by now");
    }
    const epochs: Partial<Record<PlacedKey, number>> = {};
    // A shard that moves while it serves keeps its rows, and a part of it stays right.
    for (const [key, { epoch }] of placements) if (key.startsWith("trainer/")) epochs[key] = epoch;
    const owners = { generation, epochs };
    return {
      publish: async (name) => {
        await this.blobs.markForSnapshot({ coordination, identity });
        const after = manifest?.sequence ?? 0;
        await coordination.publishManifest({ name, after, ...owners });
      },
      // Without an answer the older snapshots stay.
      recordOldest: (oldest) =>
        coordination.recordOldestSnapshot(oldest, owners).catch(() => false),
    };
  }
}
