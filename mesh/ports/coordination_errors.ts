/**
 * The refusals of a coordination store, each with the state that it found and what to do.
 */
import type {
  ControlRecord,
  HostRecord,
  HostRun,
  HostTerms,
  Ownership,
  PlacedKey,
  Placement,
} from "./coordination.ts";

/** Why two hosts cannot run beside each other. */
export interface TermsDifference {
  readonly of: "protocol" | "secret" | "configuration";
  /** The sections of their configurations that differ; empty where others are the reason. */
  readonly sections: readonly string[];
}

/** A host that another one, which starts, cannot run beside. */
export interface UnfitHost {
  readonly host: HostRecord;
  readonly difference: TermsDifference;
}

/** By difference: the subject of its sentence, and how to make the change on all hosts. */
const differences: Readonly<
  Record<TermsDifference["of"], readonly [is: (own: HostTerms) => string, change: string]>
> = {
  configuration: [
    () => "This file has other sections than those",
    "Start this host with the file of the others; or, to change these sections, stop all hosts and " +
    "start them with the new file.",
  ],
  secret: [
    () => "The mesh.secret of this host is not that",
    "Give this host the secret of the others; or, to change the secret, start one host after " +
    "another with the new one as mesh.secret and the former one as mesh.secretBefore, or stop all " +
    "hosts first.",
  ],
  protocol: [
    ({ protocols }) => `This program, of protocol ${rangeOf(protocols)}, is too new for hosts`,
    "Upgrade all hosts one release at a time: this one can start when the others have a version " +
    "that speaks a protocol of it.",
  ],
};

function rangeOf([min, max]: HostTerms["protocols"]): string {
  return min === max ? `${min}` : `${min} to ${max}`;
}

/** The hosts with the difference of the first one, as words of a sentence. */
function alikeOf(own: HostTerms, unfit: readonly UnfitHost[]) {
  const { of } = unfit[0].difference;
  const alike = unfit.filter(({ difference }) => difference.of === of);
  const names = alike.map(({ host: { host, protocols } }) =>
    of === "protocol" ? `${host} (protocol ${rangeOf(protocols)})` : host
  );
  const sections = [...new Set(alike.flatMap(({ difference }) => difference.sections))].sort();
  const [is, change] = differences[of];
  return {
    is: is(own),
    names: names.join(", "),
    isOne: names.length === 1,
    sections: sections.length > 0 ? `: ${sections.join(", ")}` : "",
    change,
  };
}

/** Hosts run that a host which starts cannot run beside. */
export class MeshMismatchError extends Error {
  override readonly name = "MeshMismatchError";
  /**
   * @param own The terms of the host that starts.
   * @param running The hosts that run; the sentence is about the first one, and those like it.
   */
  constructor(own: HostTerms, running: readonly UnfitHost[]) {
    const { is, names, isOne, sections, change } = alikeOf(own, running);
    super(
      `${is} of the mesh, of which ${names} ${isOne ? "runs" : "run"}${sections}. ${change} ` +
        "A host that was killed counts as running for mesh.lease.",
    );
  }
}

/**
 * Hosts of a mesh that a host which starts cannot run beside have neither renewed their leases in
 * time nor left. They are given up where they have not come back after a further lease.
 */
export class SilentHostsError extends Error {
  override readonly name = "SilentHostsError";
  readonly hosts: readonly HostRecord[];
  /**
   * @param own The terms of the host that starts.
   * @param unfit The silent hosts; the message has a sentence for each difference.
   * @param waitMs Time that they have to come back.
   */
  constructor(own: HostTerms, unfit: readonly UnfitHost[], readonly waitMs: number) {
    const sentences = Map.groupBy(unfit, ({ difference }) => difference.of).values().map((each) => {
      const { is, names, isOne, sections } = alikeOf(own, each);
      const were = isOne ? "was killed or is cut off" : "were killed or are cut off";
      return `${is} of the mesh, of which ${names} ${were}${sections}.`;
    });
    super(
      `${
        [...sentences].join(" ")
      } Where they do not come back within mesh.lease, the mesh goes on ` +
        "with this host.",
    );
    this.hosts = unfit.map(({ host }) => host);
  }
}

/** A process that belongs to no mesh uses the logs that another process or a host was to use. */
export class ProcessRunsError extends Error {
  override readonly name = "ProcessRunsError";
  /** @param leftMs Time until its lease ends, unless it renews it. */
  constructor(
    { machine, pid }: { readonly machine: string; readonly pid: number },
    readonly leftMs: number,
  ) {
    super(
      `Cannot use these logs: another process uses them (process ${pid} on ${machine}), which ` +
        "is no host of a mesh. Stop it first; a process that was killed counts for " +
        `${Math.ceil(leftMs / 1_000)} s more. Another storage.redis.name, or mesh.id, has other ` +
        "logs.",
    );
  }
}

/** A host does not speak the protocol of the mesh, whose hosts need a higher one. */
export class ProtocolMismatchError extends Error {
  override readonly name = "ProtocolMismatchError";
  /** @param spoken The highest protocol that the host speaks. */
  constructor(readonly protocol: number, readonly spoken: number) {
    super(
      `The mesh speaks protocol ${protocol} since a host of a newer version joined it, and this ` +
        `program speaks none above ${spoken}. Run a newer version of the program.`,
    );
  }
}

/** A host's lease has ended: it was removed, or another process with its name took its part. */
export class HostGoneError extends Error {
  override readonly name = "HostGoneError";
  constructor(readonly run: HostRun, readonly replacedBy: HostRecord | undefined) {
    super(
      replacedBy
        ? `Another process at ${replacedBy.address} has joined as host "${run.host}", so this one must stop. Give each process a host name of its own.`
        : `Host "${run.host}" was removed from the mesh, by \`cairn recover\`, because its lease expired, or by a process without mesh that uses its logs by now. The process must stop; it may join again where no such process runs.`,
    );
  }
}

/** The mesh has a host as the owner of rows that the host does not have. */
export class RowsMissingError extends Error {
  override readonly name = "RowsMissingError";
  constructor(readonly shard: number, readonly epoch: number) {
    super(
      `Shard ${shard} is to be here, but this host has no rows of epoch ${epoch}. The process must stop; when it joins again, its shards are restored.`,
    );
  }
}

/** A command named a host that the mesh does not know. */
export class UnknownHostError extends Error {
  override readonly name = "UnknownHostError";
  constructor(readonly host: string, known: readonly string[]) {
    super(`There is no host "${host}"; the mesh has ${known.join(", ") || "none"}.`);
  }
}

/** The caller's lease as the controller has ended. */
export class StaleControllerError extends Error {
  override readonly name = "StaleControllerError";
  constructor(readonly epoch: number, readonly control: ControlRecord | undefined) {
    super(
      `The controller of epoch ${epoch} was replaced by ${
        control ? `"${control.holder.host}" in epoch ${control.epoch}` : "none yet"
      }; it must stop deciding.`,
    );
  }
}

/** A placement changed after the caller read it. */
export class PlacementConflictError extends Error {
  override readonly name = "PlacementConflictError";
  constructor(readonly key: PlacedKey, readonly expected: Placement, readonly found: Placement) {
    super(
      `${key} is ${describe(found)}, not ${describe(expected)}; read the placement again.`,
    );
  }
}

/** An operator's command has come since the controller read the mesh. */
export class OvertakenPlacementError extends Error {
  override readonly name = "OvertakenPlacementError";
  constructor(why: string) {
    super(`Nothing is placed: ${why}. Read the mesh again.`);
  }
}

/** A change of placement that no caller may make. */
export class IllegalPlacementError extends Error {
  override readonly name = "IllegalPlacementError";
  constructor(readonly key: PlacedKey, readonly found: Placement, next: Ownership, why: string) {
    super(`${key} cannot go from ${describe(found)} to ${describe(next)}: ${why}.`);
  }
}

/** A snapshot was made under owners or a generation that have passed. */
export class StaleManifestError extends Error {
  override readonly name = "StaleManifestError";
  constructor(readonly manifest: string, why: string) {
    super(`The snapshot ${manifest} is not used: ${why}. The next snapshot will be complete.`);
  }
}

/** The plan was made from a state that has passed. */
export class PlanConflictError extends Error {
  override readonly name = "PlanConflictError";
  constructor(why: string) {
    super(`The plan was not written: ${why}. Make a new plan.`);
  }
}

/** A placement in words, for errors and for operators. */
export function describe(placement: Ownership & { readonly epoch?: number }): string {
  const epoch = placement.epoch === undefined ? "" : ` in epoch ${placement.epoch}`;
  switch (placement.state) {
    case "unassigned":
      return `unassigned${epoch}`;
    case "moving":
      return `moving from "${placement.owner.host}" to "${placement.target.host}" (${placement.phase})${epoch}`;
    case "restoring":
    case "active":
      return `${placement.state} on "${placement.owner.host}"${epoch}`;
  }
}
