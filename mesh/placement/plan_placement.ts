/**
 * Plans where the shards go, and in the same way the joiners and the trainers, which count alike.
 * A shard keeps its host unless there is a reason:
 *
 * 1. Its host is gone, or it has none: the least filled host with room restores it.
 * 2. Its host is draining or owns no shards any more: it moves to the least filled host with room.
 * 3. Its host holds more than its capacity: shards move away until it does not.
 * 4. The hosts differ in fullness by more than `spreadMax` of the mean: the fullest host gives the
 *    shard to the emptiest that brings both closest, until they differ by less, or no shard does.
 *
 * Hosts with room that the fewest others lack a link with come first, and these alone are evened
 * out. A shard with a living host moves to none that is cut off, unless its own is, and to
 * none that has no link with its host: it is copied from there.
 *
 * Fullness is the share of a host's capacity that its shards take, in bytes. The result depends on
 * the input alone, and a plan that was carried out is followed by an empty one.
 */
import { present } from "../../structures/invariant.ts";
import { sizeText } from "./byte_sizes.ts";
import { countedBytes, HostLoads } from "./host_loads.ts";
import { hostChanges } from "./host_changes.ts";
import { hostsHave, isCutOff } from "./host_reach.ts";
import type { PlacementPlan, ShardDecision } from "./placement_plan.ts";
import { type PlacementWords, placementWords } from "./placement_words.ts";
import { type HostView, ownerOf, type ShardPlacement, type ShardView } from "./views.ts";

export interface PlannerOptions {
  /** Difference of fullness between hosts that is left alone, as a share of the mean fullness. */
  readonly spreadMax: number;
  /** Live moves at the same time, with those under way. */
  readonly movesMax: number;
  /**
   * Whether shards move to even out the hosts' fullness, and off hosts above their capacity.
   * Otherwise they move only off hosts that they have to leave. Default true.
   */
  readonly balances?: boolean;
  /**
   * Shards of the operator's plan that is carried out, each with the host to which it is still to
   * move. Meanwhile hosts that the plan leaves above their capacity are relieved of other shards,
   * and none are evened out: that would undo moves of the plan, which would make them again.
   */
  readonly planned?: ReadonlyMap<number, string | undefined>;
}

export const defaultPlannerOptions: PlannerOptions = { spreadMax: 0.1, movesMax: 2 };

/** A shard that was given a host, and why. */
interface Assignment {
  readonly view: ShardView;
  host: string | undefined;
  /** The host whose load it counts to: that of the operator's plan before it has one here. */
  loads: string | undefined;
  reason: string | undefined;
  /** Order of the assignments. */
  step: number;
}

/**
 * @param hosts All hosts that are known; those of other roles are ignored.
 * @param shards Every shard of the mesh, each once.
 * @param words The words of the reasons, where joiners or trainers are placed.
 */
export function planPlacement(
  hosts: readonly HostView[],
  shards: readonly ShardView[],
  options: PlannerOptions = defaultPlannerOptions,
  words: PlacementWords = placementWords.shard,
): PlacementPlan {
  return new Planner(hosts, shards, options, words).plan();
}

class Planner {
  readonly #hosts: ReadonlyMap<string, HostView>;
  readonly #options: PlannerOptions;
  readonly #words: PlacementWords;
  readonly #assignments: readonly Assignment[];
  /** With all assignments so far. */
  readonly #loads: HostLoads;
  #steps = 0;

  constructor(
    hosts: readonly HostView[],
    shards: readonly ShardView[],
    options: PlannerOptions,
    words: PlacementWords,
  ) {
    this.#hosts = new Map(hosts.map((view) => [view.host, view]));
    this.#options = options;
    this.#words = words;
    this.#loads = this.#emptyLoads();
    this.#assignments = shards.toSorted((a, b) => a.shard - b.shard).map((view) => {
      const host = this.#destination(view);
      const planned = this.#options.planned?.get(view.shard);
      const loads = planned !== undefined && this.#isAlive(planned) ? planned : host;
      if (loads !== undefined) this.#loads.add(loads, countedBytes(view));
      return { view, host, loads, reason: undefined, step: 0 };
    });
  }

  plan(): PlacementPlan {
    this.#placeOrphans();
    this.#emptyHosts();
    if (this.#options.balances !== false) {
      this.#relieveHosts();
      if (this.#options.planned === undefined) this.#balanceHosts();
    }
    const decisions = this.#decisions();
    const shards = this.#assignments.map(({ view }) => view);
    const hosts = hostChanges([...this.#hosts.values()], shards, decisions);
    return { shards: decisions, hosts };
  }

  #emptyLoads(): HostLoads {
    const open = [...this.#hosts.values()].filter((view) => mayGetShards(view));
    return new HostLoads(open);
  }

  /** The host on which a shard is, or will be once its move has ended; undefined without one. */
  #destination({ placement }: ShardView): string | undefined {
    const host = placement.kind === "moving" && this.#isAlive(placement.target)
      ? placement.target
      : ownerOf(placement);
    return host !== undefined && this.#isAlive(host) ? host : undefined;
  }

  #isAlive(host: string): boolean {
    const view = this.#hosts.get(host);
    return view !== undefined && view.state !== "gone";
  }

  #assign(assignment: Assignment, host: string, reason: string): void {
    const bytes = countedBytes(assignment.view);
    if (assignment.loads !== undefined) this.#loads.add(assignment.loads, -bytes);
    this.#loads.add(host, bytes);
    assignment.host = host;
    assignment.loads = host;
    assignment.reason = reason;
    assignment.step = ++this.#steps;
  }

  /** Shards that may be given another host now, the largest first. */
  #movable(on: (host: string | undefined) => boolean): Assignment[] {
    return this.#assignments
      .filter(({ view, host }) => on(host) && !isUnderway(view, host))
      .toSorted((a, b) => countedBytes(b.view) - countedBytes(a.view));
  }

  #placeOrphans(): void {
    for (const assignment of this.#movable((host) => host === undefined)) {
      const host = this.#loads.leastFilled(countedBytes(assignment.view));
      if (host === undefined) continue;
      const owner = ownerOf(assignment.view.placement);
      const cause = owner === undefined ? "it has no host yet" : `its host ${owner} is gone`;
      this.#assign(assignment, host, `${cause}; ${this.#chosen(host)}`);
    }
  }

  #emptyHosts(): void {
    const leaves = (host: string | undefined) => host !== undefined && this.#isToLeave(host);
    for (const assignment of this.#movable(leaves)) {
      const host = this.#nextHost(assignment);
      if (host === undefined) continue;
      const cause = this.#causeToLeave(present(assignment.host, "a host is left"));
      this.#assign(assignment, host, `${cause}; ${this.#chosen(host)}`);
    }
  }

  /** Moves shards off hosts that hold more than their capacity: few and large ones. */
  #relieveHosts(): void {
    const { planned } = this.#options;
    for (const assignment of this.#movable((host) => host !== undefined && this.#loads.has(host))) {
      const from = present(assignment.host, "the shard is on a host");
      if (this.#loads.hasRoom(from, 0) || planned?.has(assignment.view.shard)) continue;
      const host = this.#nextHost(assignment);
      if (host === undefined) continue;
      const held = sizeText(this.#loads.bytes(from));
      const capacity = sizeText(this.#host(from).capacityBytes);
      const cause = `${from} holds ${held}, more than its capacity of ${capacity}`;
      this.#assign(assignment, host, `${cause}; ${this.#chosen(host)}`);
    }
  }

  #balanceHosts(): void {
    if (this.#loads.size < 2) return;
    while (this.#loads.spread > this.#options.spreadMax) {
      const { most, least } = this.#loads.extremes();
      const before = this.#loads.fullness(most);
      const candidates = this.#movable((host) => host === most)
        .filter(({ view }) => this.#loads.hasRoom(least, countedBytes(view)))
        .filter(() => this.#mayMove(most, this.#host(least)))
        .map((assignment) => {
          const bytes = countedBytes(assignment.view);
          const fullness = Math.max(
            this.#loads.fullness(most, -bytes),
            this.#loads.fullness(least, bytes),
          );
          return { assignment, fullness };
        })
        .filter(({ fullness }) => fullness < before);
      if (candidates.length === 0) return;
      const best = candidates.reduce((best, each) => each.fullness < best.fullness ? each : best);
      this.#assign(
        best.assignment,
        least,
        this.#words.uneven(most, least, this.#loads, this.#options.spreadMax),
      );
    }
  }

  /** The host to which a shard with a living host moves; undefined without one. */
  #nextHost({ view, host }: Assignment): string | undefined {
    const from = present(host, "the shard is on a host");
    return this.#loads.leastFilled(countedBytes(view), (to) => this.#mayMove(from, to));
  }

  #mayMove(from: string, to: HostView): boolean {
    return !to.noCopies.includes(from) && (!isCutOff(to) || isCutOff(this.#host(from)));
  }

  /** Why a host was chosen, and which ones were passed over. */
  #chosen(host: string): string {
    return this.#words.chosen(host, this.#loads) + this.#passedOver(this.#host(host));
  }

  /** The hosts that get no shards as long as others lack fewer links, in words. */
  #passedOver({ unreached }: HostView): string {
    return [...this.#hosts.values()]
      .filter((view) => this.#loads.has(view.host) && view.unreached > unreached)
      .toSorted((a, b) => a.host < b.host ? -1 : 1)
      .map((view) => `; ${withoutLink(view)}`).join("");
  }

  #host(host: string): HostView {
    return present(this.#hosts.get(host), "assignments name known hosts");
  }

  #isToLeave(host: string): boolean {
    return !this.#loads.has(host) && this.#hosts.get(host)?.state !== "silent";
  }

  #causeToLeave(host: string): string {
    return this.#hosts.get(host)?.state === "draining"
      ? `${host} is draining`
      : this.#words.mayNotOwn(host);
  }

  /** Every shard's decision. Moves beyond the limit, and beyond the room there is now, wait. */
  #decisions(): ShardDecision[] {
    const now = this.#emptyLoads();
    let moves = 0;
    for (const { view } of this.#assignments) {
      const { placement } = view;
      const owner = ownerOf(placement);
      if (owner !== undefined) now.add(owner, countedBytes(view));
      if (placement.kind !== "moving") continue;
      now.add(placement.target, countedBytes(view));
      moves++;
    }
    const decisions = new Map<number, ShardDecision>();
    // Restores first: their shards train nothing until then.
    const ordered = this.#assignments.toSorted((a, b) =>
      Number(this.#hasLivingOwner(a)) - Number(this.#hasLivingOwner(b)) || a.step - b.step
    );
    for (const assignment of ordered) {
      const { shard } = assignment.view;
      const settled = this.#unmoved(assignment);
      if (settled !== undefined) {
        decisions.set(shard, settled);
        continue;
      }
      const to = present(assignment.host, "a shard that moves has a host");
      const bytes = countedBytes(assignment.view);
      const transfer = this.#transfer(assignment, to);
      const from = ownerOf(assignment.view.placement);
      if (!this.#hasLivingOwner(assignment)) {
        // It does not wait for room that later moves make: nothing trains its rows meanwhile.
        now.add(to, bytes);
        decisions.set(shard, {
          kind: "restores",
          ...(from === undefined ? {} : { from }),
          ...transfer,
        });
        continue;
      }
      const moving = { from: present(from, "a living owner has a name"), ...transfer };
      if (moves >= this.#options.movesMax) {
        const reason =
          `${transfer.reason}; at most ${this.#options.movesMax} ${this.#words.parts} move at a time`;
        decisions.set(shard, { kind: "waits", ...moving, reason });
      } else if (!now.hasRoom(to, bytes)) {
        const reason = `${transfer.reason}; ${to} has no room until other shards have left it`;
        decisions.set(shard, { kind: "waits", ...moving, reason });
      } else {
        moves++;
        now.add(to, bytes);
        decisions.set(shard, { kind: "moves", ...moving });
      }
    }
    return this.#assignments.map(({ view }) =>
      present(decisions.get(view.shard), "every shard has a decision")
    );
  }

  #transfer({ view: { shard, rows, bytes }, reason }: Assignment, to: string) {
    return { shard, to, rows, bytes, reason: present(reason, "a transfer has a reason") };
  }

  #hasLivingOwner({ view }: Assignment): boolean {
    const owner = ownerOf(view.placement);
    return owner !== undefined && this.#isAlive(owner);
  }

  /** The decision about a shard whose host does not change now; undefined where it does. */
  #unmoved(assignment: Assignment): ShardDecision | undefined {
    const { view, host } = assignment;
    const { shard, placement, rows, bytes } = view;
    const owner = ownerOf(placement);
    if (isUnderway(view, host) && host !== undefined) {
      const from = placement.kind === "moving" ? { from: placement.owner } : {};
      const reason = this.#reasonUnderway(placement);
      return { kind: "underway", shard, ...from, to: host, rows, bytes, reason };
    }
    if (host === undefined) {
      const cause = owner === undefined ? "it has no host yet" : `its host ${owner} is gone`;
      return {
        kind: "unplaced",
        shard,
        ...(owner === undefined ? {} : { from: owner }),
        reason: `${cause}, and ${this.#noRoom(view)}`,
      };
    }
    if (host !== owner) return undefined;
    if (this.#isToLeave(host)) {
      const reason = `${this.#causeToLeave(host)}, and ${this.#noRoom(view)}`;
      return { kind: "unplaced", shard, from: host, reason };
    }
    return { kind: "stays", shard, on: host, reason: this.#reasonToStay(host) };
  }

  #reasonUnderway(placement: ShardPlacement): string {
    if (placement.kind !== "moving") return this.#words.restoring;
    if (!this.#isAlive(placement.target)) {
      return `${placement.target} is gone: its move is given up, and it stays on ${placement.owner}`;
    }
    if (!this.#isAlive(placement.owner)) {
      return `${placement.owner} is gone during its move: ${placement.target} takes it over`;
    }
    if (this.#hosts.get(placement.target)?.state === "draining") {
      return `${placement.target} is draining: its move is given up, and it stays on ` +
        placement.owner;
    }
    return "its move began before";
  }

  /** Why no host can take a shard. */
  #noRoom(view: ShardView): string {
    if (this.#loads.size === 0) return this.#words.noHost;
    const bytes = countedBytes(view);
    const roomy = this.#loads.leastFilled(bytes);
    if (roomy === undefined) return this.#words.noRoom(bytes);
    const host = this.#host(roomy);
    const owner = ownerOf(view.placement);
    return owner !== undefined && host.noCopies.includes(owner)
      ? `${roomy} has room, but no link with ${owner}`
      : `${roomy} has room, but ${withoutLink(host)}`;
  }

  #reasonToStay(host: string): string {
    if (!this.#loads.has(host)) {
      return `${host} does not renew its lease: it is removed if it does not come back`;
    }
    if (!this.#loads.hasRoom(host, 0) && this.#options.balances !== false) {
      return `${host} holds more than its capacity, and no other host has room: add a host`;
    }
    const view = this.#host(host);
    if (!this.#loads.reached.includes(host)) {
      const end = isCutOff(view) ? ": it goes to another host with room if that lasts" : "";
      return `${withoutLink(view)}${end}`;
    }
    const { spread } = this.#loads;
    if (this.#options.balances === false) {
      return `${host} is up, and ${this.#words.parts} move on command`;
    }
    const even = spread <= this.#options.spreadMax
      ? this.#words.even(spread, this.#options.spreadMax)
      : this.#words.indivisible;
    return even + this.#passedOver(view);
  }
}

/** A host that gets no shards while others lack fewer links, in words. */
function withoutLink({ host, unreachedBy }: HostView): string {
  return `${hostsHave(unreachedBy)} no link with ${host}`;
}

function mayGetShards({ state, ownsShards }: HostView): boolean {
  return state === "up" && ownsShards;
}

/** Whether the shard's way to this host began before; it is left alone until it ends. */
function isUnderway({ placement }: ShardView, host: string | undefined): boolean {
  if (host === undefined) return false;
  if (placement.kind === "moving") return true;
  return placement.kind === "restoring" && placement.owner === host;
}
