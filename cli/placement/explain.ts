/**
 * The work of `cairn explain`: where a shard, a joiner, a trainer or a feature keeper is, since
 * when, how far it has read its logs, its last move, and why it stays or moves.
 */
import { sizeText } from "../../mesh/placement/byte_sizes.ts";
import { planKind } from "../../mesh/placement/mesh_plan.ts";
import {
  livingOwner,
  rangeOf,
  type ReaderKey,
  reportedSize,
  reportedUnread,
} from "../../mesh/placement/mesh_views.ts";
import type { ShardDecision } from "../../mesh/placement/placement_plan.ts";
import {
  type MeshView,
  parsePlacedKey,
  partitionCountsOf,
  type PlacedKey,
  type PlacedKind,
  type Placement,
} from "../../mesh/ports/coordination.ts";
import { describe } from "../../mesh/ports/coordination_errors.ts";
import type { LastMove, PlacementHistory } from "../../mesh/ports/placement_history.ts";
import {
  endOf,
  isIn,
  numbersOf,
  partitionTotals,
  presentPartitioning,
} from "../../mesh/ports/partitioning.ts";
import { addresses, placedAddress } from "../../server/addresses.ts";
import { partitionsOfTrainer } from "../../server/plan.ts";
import { counted } from "../../structures/counted.ts";
import { present } from "../../structures/invariant.ts";
import { numbersBelow } from "../../structures/numbers_below.ts";
import type { Output } from "../command_line.ts";
import { CommandError } from "../errors.ts";
import type { PlacementFlags } from "./command.ts";
import { type MeshStore, withMeshStore } from "./mesh_store.ts";
import { kindCalled, partName } from "./part_names.ts";
import { decisionLine } from "./plan_lines.ts";
import { holdingLine } from "./reshard.ts";
import { servedByLine, servedRows, type ServingHost } from "./served_rows.ts";

/** The noun of a feature keeper, which no host is given by itself: it follows a joiner. */
const KEEPER = "keeper";

/** A part as the command shows it. */
interface Explained {
  readonly key: PlacedKey;
  readonly placement: Placement;
  /** Whether the run of its owner lives. */
  readonly isOwned: boolean;
  readonly history: PlacementHistory;
  readonly decision: ShardDecision;
  /** Present for a shard whose host has told it. */
  readonly size?: { readonly rows: number; readonly bytes: number };
  /** The serving hosts of a shard's rows, where some of them hold these. */
  readonly servedBy?: readonly ServingHost[];
  /** Present for a joiner, a trainer or a keeper. */
  readonly reads?: Reading;
  /** Why a step of its placement fails on its host; absent where none does. */
  readonly unplaced?: string;
  /** The number of a keeper; the other fields are those of the joiner that it follows. */
  readonly keeper?: number;
}

/** The part of a log that a joiner or a trainer reads. */
interface Reading {
  readonly log: "events" | "examples";
  readonly partitions: readonly number[];
  /** Records that it has not read; absent where its host has not reported its position. */
  readonly behind?: number;
}

/**
 * @param number Undefined for all parts that are called so.
 * @throws {CommandError} The mesh has no such part.
 */
export async function explainCommand(
  noun: string,
  number: number | undefined,
  flags: PlacementFlags,
  output: Output,
): Promise<void> {
  const kind = noun === KEEPER ? "events" : kindCalled(noun);
  if (kind === undefined) {
    throw new CommandError(
      `There is no part "${noun}": type shard (of the embedding tables), joiner (of the event log), ` +
        "trainer (of the example log) or keeper (of the kept features), with a number or alone " +
        "for all of them.",
    );
  }
  await withMeshStore(flags, async (store) => {
    const view = await store.read();
    const { featureKeeper } = store.configuration;
    const range = noun === KEEPER
      ? { first: 0, count: featureKeeper?.shards ?? 0 }
      : rangeOf(view, kind);
    if (range.count === 0 || (number !== undefined && !isIn(range, number))) {
      const parts = range.count === 0 ? "none" : `${range.first} to ${endOf(range) - 1}`;
      throw new CommandError(
        `There is no ${noun} ${number ?? ""}`.trimEnd() + `: the mesh has ${parts}.`,
      );
    }
    const numbers = number === undefined ? numbersOf(range) : [number];
    const explained = await explainedParts(store, view, noun, kind, numbers);
    if (flags.json) {
      const documents = explained.map((each, i) => documentOf(noun, numbers[i], each));
      return output.out(`${JSON.stringify(number === undefined ? documents : documents[0])}\n`);
    }
    for (const each of explained) {
      for (const line of linesOf(each, view.nowMs)) output.out(line);
    }
    const holding = kind === "shard" ? holdingLine(view) : undefined;
    if (holding !== undefined) output.out(holding.line);
  });
}

/** Explains parts of one kind. @param noun As the operator calls them. */
async function explainedParts(
  store: MeshStore,
  view: MeshView,
  noun: string,
  kind: PlacedKind,
  numbers: readonly number[],
): Promise<Explained[]> {
  const { events } = presentPartitioning(partitionCountsOf(view.identity));
  const { movesMax } = present(store.configuration.mesh, "a store belongs to a mesh");
  const decisions = planKind(view, kind, movesMax).shards;
  const serving = kind === "shard" ? servedRows(store.configuration, view) : [];
  return await Promise.all(numbers.map(async (number): Promise<Explained> => {
    const placed = noun === KEEPER ? events.first + number % events.count : number;
    const key: PlacedKey = `${kind}/${placed}`;
    const size = reportedSize(view, key);
    const reads = readingOf(view, key, noun === KEEPER ? `keeper/${number}` : key);
    const address = noun === KEEPER
      ? addresses.featureKeeper(number)
      : placedAddress(key, view.identity.sharding);
    const placement = present(view.placements.get(key), "the store has every part");
    const owner = livingOwner(view, placement);
    const unplaced = owner && view.hosts.get(owner.host)?.unplaced[address];
    return {
      key,
      placement,
      isOwned: owner !== undefined,
      history: await store.coordination.history(key),
      decision: present(decisions.find(({ shard }) => shard === placed), "every part is decided"),
      ...(size && { size }),
      ...(serving.length > 0 &&
        { servedBy: serving.filter(({ shards }) => shards.includes(number)) }),
      ...(reads && { reads }),
      ...(unplaced !== undefined && { unplaced }),
      ...(noun === KEEPER && { keeper: number }),
    };
  }));
}

/** The partitions that a joiner or a trainer reads, and how far it is; undefined for a shard. */
function readingOf(view: MeshView, key: PlacedKey, reader: ReaderKey): Reading | undefined {
  const { kind, number } = parsePlacedKey(key);
  if (kind === "shard") return undefined;
  const partitionings = partitionCountsOf(view.identity);
  const totals = partitionTotals(partitionings);
  const log = kind === "events" ? "events" : "examples";
  const partitions = reader !== key
    ? numbersBelow(totals.events)
    : kind === "events"
    ? [number]
    : partitionsOfTrainer({
      partitions: partitionings[partitionings.length - 1],
      earlierPartitions: partitionings.slice(0, -1),
      trainerCount: view.identity.trainers,
    }, number);
  const behind = reportedUnread(view, key, reader);
  return { log, partitions, ...(behind !== undefined && { behind }) };
}

function documentOf(part: string, number: number, explained: Explained) {
  const { key, placement, history, decision, size, servedBy, reads, unplaced, keeper } = explained;
  const follows = keeper === undefined ? {} : { follows: partName(key) };
  const serving = servedBy?.map(({ host, state }) => ({ host, state }));
  return {
    ...{ part, number, ...follows, placement, ...size },
    ...(serving && { servedBy: serving }),
    ...{ ...reads, ...(unplaced !== undefined && { unplaced }), ...history, decision },
  };
}

function linesOf(explained: Explained, nowMs: number): string[] {
  const { key, placement, isOwned, history: { sinceMs, last }, decision } = explained;
  const { size, servedBy, reads, unplaced, keeper } = explained;
  const sizes = size
    ? `, with ${counted(size.rows, "row")} in ${sizeText(size.bytes)}`
    : key.startsWith("shard/") && isOwned
    ? "; its host has not told its size yet"
    : "";
  // A part that was given up remembers the time of its last owner.
  const since = sinceMs === undefined || !isOwned ? "" : `, since ${moment(sinceMs, nowMs)}`;
  const state = isOwned || placement.state === "unassigned"
    ? `is ${describe(placement)}`
    : `has no host: it was ${describe(placement)}, and that run of ${placement.owner.host} is gone`;
  return [
    ...(keeper === undefined ? [] : [`keeper ${keeper} follows ${partName(key)}\n`]),
    `${partName(key)} ${state}${since}${sizes}\n`,
    ...(servedBy ? [servedByLine(servedBy)] : []),
    ...(unplaced === undefined ? [] : [
      `${
        keeper === undefined ? partName(key) : `keeper ${keeper}`
      } cannot be placed there, and is tried ` +
      `again: ${unplaced}\n`,
    ]),
    ...(reads ? [readingLine(reads, keeper)] : []),
    ...(last ? [lastMoveLine(last, nowMs)] : []),
    decisionLine({ key, decision }),
  ];
}

function readingLine({ log, partitions, behind }: Reading, keeper?: number): string {
  const subject = keeper === undefined ? "" : `keeper ${keeper} `;
  const noun = partitions.length === 1 ? "partition" : "partitions";
  const records = log === "events" ? "record" : "chunk";
  const lag = behind === undefined
    ? "its host has not told yet how far"
    : behind === 0
    ? "to its end"
    : `${counted(behind, records)} behind`;
  return `${subject}reads ${noun} ${partitions.join(", ")} of the ${
    log === "events" ? "event" : "example"
  } log: ${lag}\n`;
}

function lastMoveLine(last: LastMove, nowMs: number): string {
  const { atMs, from, to, reason, outcome, endedMs = nowMs, why } = last;
  const took = `${((endedMs - atMs) / 1_000).toFixed(1)} s`;
  const outcomes = {
    underway: `under way for ${took}`,
    done: `done after ${took}`,
    aborted: `given up after ${took}${why ? `, because ${why}` : ""}`,
  };
  const way = from === undefined ? `to ${to}` : `from ${from} to ${to}`;
  const cause = reason === "" ? "" : `: ${reason}`;
  return `last move ${way}, ${moment(atMs, nowMs)}, ${outcomes[outcome]}${cause}\n`;
}

/** A time of the store's clock, and how long ago it was. */
function moment(atMs: number, nowMs: number): string {
  const time = new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
  const seconds = Math.max(0, Math.round((nowMs - atMs) / 1_000));
  const ago = seconds < 120
    ? `${seconds} s`
    : seconds < 7_200
    ? `${Math.round(seconds / 60)} min`
    : `${Math.round(seconds / 3_600)} h`;
  return `${time} (${ago} ago)`;
}
