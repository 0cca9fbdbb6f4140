/**
 * The reasons of a plan in words: for shards, whose rows take memory, and for joiners and trainers,
 * which are counted.
 */
import type { PlacedKind } from "../ports/coordination.ts";
import { sizeText } from "./byte_sizes.ts";
import type { HostLoads } from "./host_loads.ts";

export interface PlacementWords {
  /** The parts that are placed, for example `shards`. */
  readonly parts: string;
  /** The host that was chosen, from the loads before it has the part. */
  chosen(host: string, loads: HostLoads): string;
  /** The difference between two hosts for which a part moves. */
  uneven(most: string, least: string, loads: HostLoads, spreadMax: number): string;
  /** The host may not have such parts any more. */
  mayNotOwn(host: string): string;
  /** No host that is up may have such a part. */
  readonly noHost: string;
  /** Every host that may have the part is full. */
  noRoom(bytes: number): string;
  /** The new owner is not ready yet. */
  readonly restoring: string;
  /** The hosts are as even as asked for. */
  even(spread: number, spreadMax: number): string;
  /** No move makes the hosts more even. */
  readonly indivisible: string;
}

const shardWords: PlacementWords = {
  parts: "shards",
  chosen: (host, loads) =>
    `${host} has the most room (${percent(loads.fullness(host))} full before)`,
  uneven: (most, least, loads, spreadMax) =>
    `${most} is filled to ${percent(loads.fullness(most))} and ${least} to ` +
    `${percent(loads.fullness(least))}: they differ by more than ${percent(spreadMax)} of the mean`,
  mayNotOwn: (host) => `${host} owns no shards any more`,
  noHost: "no host is up that may own shards",
  noRoom: (bytes) => `no host has room for its ${sizeText(bytes)}: add a host, or raise capacity`,
  restoring: "it is being restored from the newest snapshot",
  even: (spread, spreadMax) =>
    `after the plan the hosts differ by ${percent(spread)} of the mean, within ` +
    percent(spreadMax),
  indivisible: "no move of a whole shard brings the hosts closer together",
};

/** @param start Where the reader of a new owner begins. */
function readerWords(reader: "joiner" | "trainer", start: string): PlacementWords {
  const parts = `${reader}s`;
  const has = (host: string, loads: HostLoads) => `${loads.parts(host)} ${parts} on ${host}`;
  return {
    parts,
    chosen: (host, loads) => `${host} has the fewest ${parts} (${loads.parts(host)} before)`,
    uneven: (most, least, loads) => `there are ${has(most, loads)} and ${has(least, loads)}`,
    mayNotOwn: (host) => `${host} has the role ${reader} no longer`,
    noHost: `no other host that is up has the role ${reader}`,
    noRoom: () => `no host has room for another ${reader}`,
    restoring: `it is being started, and goes on ${start}`,
    even: () => `after the plan the ${parts} are shared out evenly`,
    indivisible: `no move makes the numbers of ${parts} more even`,
  };
}

/** The words for each kind of part. */
export const placementWords: Readonly<Record<PlacedKind, PlacementWords>> = {
  shard: shardWords,
  events: readerWords("joiner", "where its examples end"),
  trainer: readerWords("trainer", "from the newest snapshot"),
};

/**
 * A share in percent; below ten with as many decimals as show that it is not zero, so that two
 * shares that differ by more than the limit do not read alike.
 */
function percent(share: number): string {
  const value = share * 100;
  if (value === 0 || value >= 10) return `${Math.round(value)} %`;
  return `${Number(value.toPrecision(2))} %`;
}
