/**
 * Rules for the leases of hosts and of the controller: pure functions over the mesh's records.
 */
import { clashingSections } from "../../ports/agreed_sections.ts";
import {
  type ControlRecord,
  type ControlTurn,
  type HostDescription,
  type HostLease,
  type HostRecord,
  type HostReport,
  type HostRun,
  type HostTerms,
  isSameRun,
  type MeshIdentity,
} from "../../ports/coordination.ts";
import {
  HostGoneError,
  MeshMismatchError,
  ProcessRunsError,
  ProtocolMismatchError,
  SilentHostsError,
  StaleControllerError,
  type TermsDifference,
  UnknownHostError,
} from "../../ports/coordination_errors.ts";
import type { RecordView } from "../../ports/record_store.ts";
import { present } from "../../../structures/invariant.ts";
import { json, PROCESS_LEASE_MS, raiseCounts, recordKeys, records, runOf } from "./record_keys.ts";

/** Lengths of the leases. */
export interface LeaseOptions {
  /** Time without a renewal after which a host may be removed, ms. */
  readonly hostTtlMs: number;
  /** Time without a renewal after which another host may become the controller, ms. */
  readonly controlTtlMs: number;
}

/** Registers a run; see {@link Coordination.join}. */
export function joinHost(
  view: RecordView,
  description: HostDescription,
  { hostTtlMs }: LeaseOptions,
): HostLease {
  const identity = present(records.identity(view), "a mesh is opened before hosts join it");
  const { host } = description;
  requireTerms(view, identity, description, { own: host, hostTtlMs });
  raiseProtocol(view, identity, description);
  const before = records.host(view, host);
  const record: HostRecord = {
    ...description,
    state: before?.state ?? "up",
    expiresMs: view.nowMs + hostTtlMs,
    load: {},
    unplaced: {},
    unlinked: [],
  };
  view.set(recordKeys.host(host), json(record));
  if (before && !isSameRun(before, description)) endControlOf(view, before);
  if (!before || !isSameRun(before, description)) raiseCounts(view);
  return leaseOf(view, record, hostTtlMs);
}

/** Whether hosts with these fingerprints of secrets can link; without any, with others without. */
export function haveCommonSecret(a: HostTerms["secrets"], b: HostTerms["secrets"]): boolean {
  return a.length === 0 ? b.length === 0 : a.some((secret) => b.includes(secret));
}

/** Why two hosts cannot run beside each other; undefined where they can. */
export function differenceOf(a: HostTerms, b: HostTerms): TermsDifference | undefined {
  // The protocol first: records of builds without a common one may have other fields.
  const [[aMin, aMax], [bMin, bMax]] = [a.protocols, b.protocols];
  if (aMax < bMin || bMax < aMin) return { of: "protocol", sections: [] };
  if (!haveCommonSecret(a.secrets, b.secrets)) return { of: "secret", sections: [] };
  const sections = clashingSections(a.configuration, b.configuration);
  return sections.length > 0 ? { of: "configuration", sections } : undefined;
}

/**
 * Compares the terms of a host that starts with those of the hosts that run. Hosts that they do not
 * fit are removed where their leases have expired: one that was cut off until then must not go on
 * beside the others.
 *
 * @param own A host that is replaced, so that its terms do not count.
 * @param silent Hosts that were silent a lease ago; undefined = those that have expired have been
 * waited for.
 * @throws {ProcessRunsError} A process that belongs to no mesh uses its logs.
 * @throws {ProtocolMismatchError} It does not speak the protocol of the mesh.
 * @throws {MeshMismatchError} Hosts run that it cannot run beside.
 * @throws {SilentHostsError} Such a host was not seen before, or has renewed its lease since.
 */
export function requireTerms(
  view: RecordView,
  identity: MeshIdentity,
  terms: HostTerms,
  { own, silent, hostTtlMs }: {
    readonly own?: string;
    readonly silent?: readonly HostRecord[];
    readonly hostTtlMs: number;
  },
): void {
  requireNoProcess(view);
  const [, highest] = terms.protocols;
  if (highest < identity.protocol) throw new ProtocolMismatchError(identity.protocol, highest);
  const unfit = records.hosts(view).flatMap((host) => {
    const difference = host.host === own ? undefined : differenceOf(host, terms);
    return difference === undefined ? [] : [{ host, difference }];
  });
  const running = unfit.filter(({ host }) => host.expiresMs > view.nowMs);
  if (running.length > 0) throw new MeshMismatchError(terms, running);
  const hosts = unfit.map(({ host }) => host);
  const isStillSilent = (host: HostRecord) =>
    silent?.some((before) => isSameRun(before, host) && before.expiresMs === host.expiresMs);
  if (silent !== undefined && !hosts.every(isStillSilent)) {
    throw new SilentHostsError(terms, unfit, hostTtlMs);
  }
  for (const host of hosts) leaveHost(view, host);
}

/** @throws {ProcessRunsError} A process that belongs to no mesh uses the logs. */
function requireNoProcess(view: RecordView): void {
  const found = records.process(view);
  const leftMs = (found?.expiresMs ?? 0) - view.nowMs;
  // A lease that lasts longer is from before the store's clock was set back.
  if (found === undefined || leftMs <= 0 || leftMs > PROCESS_LEASE_MS) return;
  throw new ProcessRunsError(found, leftMs);
}

/** Gives the mesh the lowest protocol of a host that joins where it is higher. */
function raiseProtocol(
  view: RecordView,
  identity: MeshIdentity,
  { protocols: [lowest] }: HostTerms,
): void {
  if (lowest <= identity.protocol) return;
  view.set(recordKeys.identity, json({ ...identity, protocol: lowest }));
}

/** Prolongs a lease; see {@link Coordination.renew}. */
export function renewHost(
  view: RecordView,
  run: HostRun,
  report: HostReport | undefined,
  { hostTtlMs }: LeaseOptions,
): HostLease {
  const before = liveRun(view, run);
  const { refusal: _, snapshotFailure: __, ...rest } = before;
  const record: HostRecord = {
    ...(report === undefined ? before : rest),
    expiresMs: view.nowMs + hostTtlMs,
    ...(report && { ...report, unplaced: report.unplaced ?? {}, unlinked: report.unlinked ?? [] }),
  };
  view.setQuietly(recordKeys.host(run.host), json(record));
  return leaseOf(view, record, hostTtlMs);
}

/** Ends a lease; see {@link Coordination.leave}. */
export function leaveHost(view: RecordView, run: HostRun): void {
  const record = records.host(view, run.host);
  if (!record || !isSameRun(record, run)) return;
  endControlOf(view, run);
  view.delete(recordKeys.host(run.host));
  raiseCounts(view);
}

/** Begins or ends a drain; see {@link Coordination.setHostState}. */
export function setHostState(view: RecordView, host: string, state: HostRecord["state"]): void {
  const record = records.host(view, host);
  if (!record) throw new UnknownHostError(host, records.hosts(view).map((each) => each.host));
  if (record.state === state) return;
  view.set(recordKeys.host(host), json({ ...record, state }));
  raiseCounts(view);
}

/** Removes a host whose lease has expired; see {@link Coordination.removeExpired}. */
export function removeExpired(view: RecordView, controllerEpoch: number, run: HostRun): boolean {
  checkController(view, controllerEpoch);
  const record = records.host(view, run.host);
  if (!record || !isSameRun(record, run)) return true;
  if (record.expiresMs > view.nowMs) return false;
  view.delete(recordKeys.host(run.host));
  raiseCounts(view);
  return true;
}

/** Takes or prolongs the controller's lease; see {@link Coordination.acquireControl}. */
export function acquireControl(
  view: RecordView,
  run: HostRun,
  { controlTtlMs }: LeaseOptions,
): ControlTurn {
  liveRun(view, run);
  const before = records.control(view);
  const isHeld = before !== undefined && before.expiresMs > view.nowMs;
  if (isHeld && !isSameRun(before.holder, run)) {
    return { kind: "standby", leftMs: before.expiresMs - view.nowMs };
  }
  const record: ControlRecord = {
    holder: runOf(run),
    epoch: isHeld ? before.epoch : (before?.epoch ?? 0) + 1,
    expiresMs: view.nowMs + controlTtlMs,
  };
  if (isHeld) view.setQuietly(recordKeys.control, json(record));
  else view.set(recordKeys.control, json(record));
  return { kind: "controls", control: record };
}

/** Ends the controller's lease; see {@link Coordination.releaseControl}. */
export function releaseControl(view: RecordView, controllerEpoch: number): void {
  const before = records.control(view);
  if (before?.epoch !== controllerEpoch) return;
  view.set(recordKeys.control, json({ ...before, expiresMs: 0 }));
}

/** Lets another host become the controller at once where this run was it and has ended. */
function endControlOf(view: RecordView, run: HostRun): void {
  const control = records.control(view);
  if (control !== undefined && isSameRun(control.holder, run)) releaseControl(view, control.epoch);
}

/**
 * Compares the epoch of a caller with the controller's. An expired lease is still the newest one,
 * so clocks decide nothing here.
 *
 * @throws {StaleControllerError} Another process has become the controller.
 */
export function checkController(view: RecordView, epoch: number): void {
  const control = records.control(view);
  if (control?.epoch !== epoch) throw new StaleControllerError(epoch, control);
}

/**
 * The record of a run that is a host of the mesh.
 *
 * @throws {HostGoneError} It was removed or replaced.
 */
export function liveRun(view: RecordView, run: HostRun): HostRecord {
  const record = records.host(view, run.host);
  if (!record || !isSameRun(record, run)) throw new HostGoneError(runOf(run), record);
  return record;
}

function leaseOf(view: RecordView, { state }: HostRecord, ttlMs: number): HostLease {
  const { version, generation } = records.counts(view);
  return { ttlMs, state, version, generation, controllerEpoch: records.control(view)?.epoch ?? 0 };
}
