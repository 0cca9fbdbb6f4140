/**
 * Everything that the records say of a mesh: a pure function over them.
 */
import type { MeshView } from "../../ports/coordination.ts";
import type { RecordView } from "../../ports/record_store.ts";
import { present } from "../../../structures/invariant.ts";
import { placedKeys, records } from "./record_keys.ts";

/** @throws {InvariantError} The mesh was not opened yet. */
export function readMesh(view: RecordView): MeshView {
  const identity = present(records.identity(view), "a mesh is opened before it is read");
  const { version, generation } = records.counts(view);
  return {
    identity,
    nowMs: view.nowMs,
    revision: view.revision,
    version,
    generation,
    hosts: new Map(records.hosts(view).map((host) => [host.host, host])),
    control: records.control(view),
    placements: new Map(placedKeys(identity).map((key) => [key, records.placement(view, key)])),
    manifest: records.manifest(view),
    oldestSnapshot: records.oldestSnapshot(view),
    examplesFrom: records.examplesFrom(view),
    plan: records.plan(view),
    reshard: records.reshard(view),
  };
}
