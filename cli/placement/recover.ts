/**
 * The work of `cairn recover`.
 */
import type { MeshIdentity, MeshView } from "../../mesh/ports/coordination.ts";
import { hostOfMark, listMarks, type MeshMark } from "../../records/mesh_mark.ts";
import { readManifests, type SnapshotManifest } from "../../records/snapshot_manifest.ts";
import {
  type ExampleRange,
  exampleRanges,
} from "../../offline/data_directory/example_positions.ts";
import { isFolder } from "../../offline/data_directory/existing_stores.ts";
import { meshOpeningOf } from "../../server/machine/placement_environment.ts";
import { openBlobStorage } from "../../server/machine/storage.ts";
import { blobsPlaceOf, HostBlobs } from "../../server/host_blobs.ts";
import { counted } from "../../structures/counted.ts";
import { invariant, present } from "../../structures/invariant.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import { shortName } from "../snapshot/named_snapshot.ts";
import type { RecoverFlags } from "./command.ts";
import { type MeshStore, withMeshStore } from "./mesh_store.ts";

/**
 * @throws {CommandError} The store of snapshots is not there, is that of a mesh that the command
 * does not name, or lacks the mark or snapshots of this mesh and the command does not say so.
 */
export async function recoverCommand(flags: RecoverFlags, output: Output): Promise<void> {
  await withMeshStore(flags, async (store) => {
    const { configuration, coordination } = store;
    const { storage } = configuration;
    invariant(storage.kind === "directory", "a mesh with a coordination store keeps snapshots");
    if (storage.s3 === undefined && !await isFolder(storage.path)) {
      throw new CommandError(
        `storage.path (${storage.path}) is not there: run the command where the hosts' directory of ` +
          "snapshots is mounted. Nothing has changed.",
      );
    }
    const { blobs } = await openBlobStorage(storage);
    const marks = await listMarks(blobs);
    const view = await store.find();
    const others = marks.filter(({ mesh }) => mesh !== view?.identity.mesh);
    const unnamed = others.find(({ mesh }) => mesh !== flags.fromMesh);
    if (unnamed !== undefined) {
      const host = await hostOfMark(blobs, unnamed);
      throw new CommandError(
        `${blobsPlaceOf(storage)} is the store of mesh ${unnamed.mesh}, of which ${host} is a ` +
          "host. Nothing has changed. Where that mesh is no more, or is this one before its Redis " +
          `server lost all data, add --from-mesh ${unnamed.mesh}.` +
          (view === undefined
            ? " Redis has no data of this mesh: all its hosts that run, gateways too, end then, and " +
              "nothing is ranked until they are started again."
            : ""),
      );
    }
    // The mesh whose mark is here was on a Redis server that has lost all data.
    const isLost = view === undefined && others.length > 0;
    if (isLost) await coordination.open(meshOpeningOf(configuration));
    const current = await store.read();
    const { identity } = current;
    const snapshots = await readManifests(blobs);
    const [newest] = snapshots;
    const ranges = await rangesOf(store, identity);
    const restore = restoreFor(snapshots, ranges);
    const examplesLost = restore === undefined ? rowsTrimmed(newest, ranges) : 0;
    const place = blobsPlaceOf(storage);
    const from = newest === undefined ? "none" : shortName(newest.name);
    const lacks = lackOf(current, newest, marks);
    if ((lacks !== undefined || examplesLost > 0) && flags.fromSnapshot !== from) {
      throw new CommandError(
        `${place} lacks ${lacks ?? "later snapshots"} of this mesh. Nothing has changed. See ` +
          `whether its volume is mounted. Where that is lost, add --from-snapshot ${from}: ` +
          `${beginText(newest, examplesLost)}.`,
      );
    }
    const isWithoutCause = others.length === 0 && flags.fromSnapshot === undefined &&
      !await store.isLossTold();
    const host = present(configuration.mesh?.hosts[0], "a mesh has hosts").name;
    const run = { host, incarnation: crypto.randomUUID() };
    await new HostBlobs({ blobs, place, run }).accept({
      coordination,
      mesh: identity.mesh,
      newestSnapshot: newest?.name,
      examplesFrom: ranges.map(({ begin }) => begin.sequence),
    });
    if (flags.json) {
      output.out(`${JSON.stringify({ recovered: true, restore, examplesLost })}\n`);
      return;
    }
    if (isLost) {
      output.out(
        "Redis had no data of the mesh: it begins anew; hosts that run end, and join it when they " +
          "are started again\n",
      );
    } else if (others.length > 0) {
      output.out("the store of the snapshots was that of another mesh\n");
    }
    if (isWithoutCause) output.out(withoutCauseText(current));
    output.out(`${beginText(newest, examplesLost)}\n`);
    output.out(
      restore === undefined
        ? "hosts that refuse events read no log until they are restarted: `cairn status` names " +
          "them in some seconds\n"
        : "the example log ends before that snapshot, and trainers do not start on it: stop all " +
          `hosts, run \`cairn snapshot restore ${flags.config} ${restore.snapshot} --examples ` +
          `${restore.examples}\`, and start them\n`,
    );
  }, { acceptsLoss: true });
}

/**
 * The thing of the mesh that a store lacks, in words. The mark is not asked for where the store has
 * that of another mesh: the operator has named it, and so knows which store this is.
 */
function lackOf(
  { identity: { mesh, blobsMark }, oldestSnapshot }: MeshView,
  newest: SnapshotManifest | undefined,
  marks: readonly MeshMark[],
): string | undefined {
  if (oldestSnapshot !== undefined && (newest?.name ?? "") < oldestSnapshot) {
    return `${shortName(oldestSnapshot)} and all later snapshots`;
  }
  const isKnown = blobsMark === undefined ||
    marks.some((each) => each.mesh !== mesh || each.mark === blobsMark);
  return isKnown ? undefined : "the mark";
}

/** The state of a mesh whose own records are not lost, in words. */
function withoutCauseText({ hosts, nowMs }: MeshView): string {
  const refusing = [...hosts.values()]
    .filter(({ expiresMs, refusal }) => expiresMs > nowMs && refusal !== undefined)
    .map(({ host }) => host);
  if (refusing.length === 0) return "no host that runs tells of lost records of the mesh\n";
  const verb = refusing.length === 1 ? "refuses" : "refuse";
  return `the mesh's own records are not lost; ${refusing.join(", ")} ${verb} events\n`;
}

/** How the parts of the mesh begin, in words. */
function beginText(newest: SnapshotManifest | undefined, examplesLost: number): string {
  const begin = newest === undefined
    ? "every shard gets a new owner, which begins without rows, and the dense model begins anew"
    : "every shard gets a new owner, which restores it from the newest snapshot";
  if (examplesLost === 0) return begin;
  const count = counted(examplesLost, "example");
  return `${begin}; ${count} of which the example log has no more will not be learned again`;
}

/** The ranges of the example log, by partition. */
async function rangesOf(
  { openExamples }: MeshStore,
  { eventPartitions: events, examplePartitions: examples }: MeshIdentity,
): Promise<readonly ExampleRange[]> {
  const { exampleLog, close } = await openExamples({ events, examples });
  try {
    return await exampleRanges(exampleLog);
  } finally {
    await close();
  }
}

/** Arguments of `cairn snapshot restore`. */
interface Restore {
  readonly snapshot: string;
  readonly examples: "learn" | "skip";
}

/**
 * How trainers can start where the example log ends before the newest snapshot; undefined where it
 * does not. From an earlier snapshot, all examples that the log has are learned.
 *
 * @param snapshots The newest one first.
 */
function restoreFor(
  snapshots: readonly SnapshotManifest[],
  ranges: readonly ExampleRange[],
): Restore | undefined {
  const [newest] = snapshots;
  if (newest === undefined || isReached(newest, ranges)) return undefined;
  const reached = snapshots.find((each) =>
    isReached(each, ranges) && rowsTrimmed(each, ranges) === 0
  );
  return reached === undefined
    ? { snapshot: shortName(newest.name), examples: "skip" }
    : { snapshot: shortName(reached.name), examples: "learn" };
}

/** Whether the example log reaches as far as a snapshot has learned. */
function isReached({ trainers }: SnapshotManifest, ranges: readonly ExampleRange[]): boolean {
  return trainers.every(({ partition, offset }) =>
    offset <= (ranges.at(partition)?.end.offset ?? 0)
  );
}

/** Examples that a snapshot has not learned and that the log no longer has. */
function rowsTrimmed(
  newest: SnapshotManifest | undefined,
  ranges: readonly ExampleRange[],
): number {
  return ranges.reduce((sum, { begin }, partition) => {
    const part = newest?.trainers.find((each) => each.partition === partition);
    return sum + Math.max(0, begin.sequence - (part?.sequence ?? 0));
  }, 0);
}
