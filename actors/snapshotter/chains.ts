/**
 * The chains of a snapshot: which shards may write an increment, and the chain that it continues.
 */
import type { SnapshotManifest } from "../../records/snapshot_manifest.ts";
import { chainOf, memberBytes, type ShardPart } from "../../records/snapshot_parts.ts";
import { present } from "../../structures/invariant.ts";
import type { WrittenMember } from "../embedding_shard/protocol.ts";
import type { SnapshotterOptions } from "./options.ts";
import type { SnapshotBase } from "./protocol.ts";

type ChainBounds = Pick<SnapshotterOptions, "shards" | "incrementsMax" | "incrementsShare">;

/**
 * The base of the next snapshot; undefined where every shard has to write all its rows.
 *
 * @param newest The newest stored snapshot.
 */
export function snapshotBase(
  newest: SnapshotManifest | undefined,
  bounds: ChainBounds,
): SnapshotBase | undefined {
  // With another number of shards, no shard has the rows of one part.
  if (newest?.shards.length !== bounds.shards.length) return undefined;
  const bytesMax = newest.shards.map((part) => incrementBytesMax(part, bounds));
  return bytesMax.some((bytes) => bytes > 0) ? { snapshot: newest.name, bytesMax } : undefined;
}

function incrementBytesMax(
  part: ShardPart,
  { incrementsMax, incrementsShare }: Omit<ChainBounds, "shards">,
): number {
  const [full, ...increments] = chainOf(part);
  if (increments.length >= incrementsMax) return 0;
  const used = increments.reduce((sum, member) => sum + memberBytes(member), 0);
  return Math.max(0, Math.floor(memberBytes(full) * incrementsShare) - used);
}

/**
 * A shard's part of the manifest.
 *
 * @param chains The parts of the base.
 * @param cut Sequence of each trainer at the snapshot's cut.
 */
export function inChain(
  { kind, ...member }: WrittenMember,
  chains: readonly ShardPart[],
  cut: ShardPart["cut"],
): ShardPart {
  if (kind === "full") return { ...member, cut, earlier: [] };
  const base = present(
    chains.find(({ shard }) => shard === member.shard),
    "an increment follows a member of the base",
  );
  return { ...member, cut, earlier: chainOf(base) };
}
