/**
 * Bugs to plant in a mesh of several hosts.
 */
import type { Plant } from "./plant.ts";

const rules = "mesh/runtime/coordination/placement_rules.ts";

export const meshPlants: readonly Plant[] = [
  {
    name: "epoch-not-bumped",
    edits: [{ file: rules, find: "+ (isNewOwner ? 1 : 0)", replace: "+ (isNewOwner ? 0 : 0)" }],
    seenBy: ["ascending-epochs", "one-owner-per-epoch"],
    scenario: "drain-under-load",
  },
  {
    name: "begins-from-any-folder",
    edits: [{
      file: "actors/embedding_shard/shard_restore.ts",
      find: "await readOwnManifests(blobs, own);",
      replace: "await readOwnManifests(blobs, own && undefined);",
    }],
    seenBy: ["supervision"],
    scenario: "volume-lost",
  },
  {
    name: "shards-behind-unnoticed",
    edits: [{
      file: "actors/trainer/resume_point.ts",
      find: "part.sequence > (lowest.get(part.partition) ?? 0)",
      replace: "part.sequence > (lowest.get(part.partition) ?? 0) + 1e9",
    }],
    seenBy: ["exactly-once"],
    scenario: "volume-restored",
  },
  {
    name: "given-up-weights-stay",
    edits: [{
      file: "actors/parameter_sync/parameter_sync.ts",
      find: "    if (carried === undefined || version > newest) return offer;\n",
      replace: "    if (carried === undefined || version >= 0) return offer;\n",
    }],
    seenBy: ["newest-weights"],
    scenario: "snapshots-given-up",
  },
  {
    name: "threads-by-own-file",
    edits: [{
      file: "server/layout.ts",
      find: "host === undefined ? undefined : this.#told.get(host)",
      replace: "undefined as HostThreads | undefined",
    }],
    seenBy: ["answered-lookups", "liveness"],
    scenario: "hosts-change-threads",
  },
  {
    name: "frozen-owner-goes-on",
    edits: [{
      file: "actors/embedding_shard/waiting_messages.ts",
      find: 'applyGradients: { loading: "waits", frozen: "waits" },',
      replace: 'applyGradients: { loading: "waits", frozen: "handled" },',
    }],
    seenBy: ["whole-moves", "exactly-once"],
    scenario: "drain-under-load",
  },
  {
    name: "marks-left-behind",
    edits: [{
      file: "actors/embedding_shard/sources.ts",
      find: "marks: [...this.#marks], chunks:",
      replace: "marks: [], chunks:",
    }],
    seenBy: ["whole-moves", "exactly-once"],
    scenario: "drain-under-load",
  },
  {
    name: "copy-becomes-owner-early",
    edits: [{
      file: "mesh/placement/host_duties.ts",
      find: '? { kind: "takeOver", placement }',
      replace: '? { kind: "promote", epoch: epoch + 1 }',
    }],
    seenBy: ["aborted-moves", "one-owner-per-epoch"],
    scenario: "drain-under-load",
  },
  {
    name: "older-view-drops",
    edits: [{
      file: "server/placed_shards.ts",
      find: "rows.sharding === sharding && epoch < rows.epoch;",
      replace: "rows.sharding !== sharding && epoch < rows.epoch;",
    }],
    seenBy: ["whole-moves"],
    scenario: "drain-under-load",
  },
  {
    name: "freeze-waits-for-controller",
    edits: [{
      file: "mesh/placement/host_duties.ts",
      find: '? nothing : { kind: "abortMove", placement };',
      replace: "? nothing : nothing;",
    }],
    seenBy: ["short-freezes"],
    scenario: "controller-dies-in-freeze",
  },
  {
    name: "freeze-ends-by-timer",
    edits: [{
      file: "mesh/placement/host_duties.ts",
      find: '? nothing : { kind: "abortMove", placement };',
      replace: '? nothing : { kind: "endGiving" };',
    }],
    seenBy: ["whole-deltas", "held-invariants", "exactly-once"],
    scenario: "controller-dies-in-freeze",
  },
  {
    name: "event-ids-per-gateway",
    edits: [{
      file: "gateway/routes/event_acceptance.ts",
      find: "    if (eventLog.appendOnce === undefined) {\n      const records",
      replace: "    if (eventLog.partitions > 0) {\n      const records",
    }],
    seenBy: ["accepted-events"],
    scenario: "mesh-quiet",
  },
  {
    name: "users-of-own-gateway",
    edits: [{
      file: "gateway/routes/rankings_of_others.ts",
      find: "const found = await otherGateways.findRankings(asked, withinMs, budgetMs);",
      replace:
        "const found = await otherGateways.findRankings(asked, withinMs, budgetMs).then(() => asked.map(() => []));",
    }],
    seenBy: ["attributed-events"],
    scenario: "events-of-users",
  },
  {
    name: "made-rankings-without-events",
    edits: [{
      file: "gateway/routes/event_acceptance.ts",
      find: "    const records = group.map(onceRecord);\n",
      replace:
        "    for (const { impression } of group) {\n      if (impression) await eventLog.append(partition, [impression]);\n    }\n    const records = group.map((each) => ({ ...onceRecord(each), before: undefined }));\n",
    }],
    seenBy: ["logged-rankings"],
    scenario: "events-of-users",
  },
  {
    name: "others-not-asked",
    edits: [{
      file: "gateway/routes/rankings_of_others.ts",
      find: "  if (otherGateways === undefined || !memory.isComplete) return new Map();\n",
      replace: "  if (otherGateways || !memory.isComplete) return new Map();\n",
    }],
    seenBy: ["known-rankings"],
    scenario: "erasures-and-late-appends",
  },
  {
    name: "ranking-ids-per-gateway",
    edits: [{
      file: "actors/ranker/impressions.ts",
      find:
        'others?.append(partition, ranking) ?? log.append(partition, [ranking.bytes], "written"),',
      replace:
        'log.append(partition, [ranking.bytes], "written").then(async (offset) => {\n          await others?.remember(ranking.rankingId, ranking.items);\n          return offset;\n        }),',
    }],
    seenBy: ["logged-rankings"],
    scenario: "events-of-users",
  },
  {
    name: "unlogged-untold",
    edits: [{
      file: "gateway/routes/unlogged_rankings.ts",
      find: '  if (here === "shown") return sharedRankings',
      replace: '  if (here === "shown") return false && sharedRankings',
    }],
    seenBy: ["logged-rankings"],
    scenario: "lost-rankings",
  },
  {
    name: "events-before-their-rankings",
    edits: [{
      file: "gateway/routes/event_acceptance.ts",
      find: "    const outcomes = sharedRankings === undefined || needed.length === 0\n",
      replace: "    const outcomes = sharedRankings === undefined || needed.length >= 0\n",
    }],
    seenBy: ["logged-rankings"],
    scenario: "lost-rankings",
  },
  {
    name: "fence-ignored",
    edits: [{
      file: "mesh/ports/event_log.ts",
      find: "  if ((fence?.epoch ?? 0) !== epoch) {\n",
      replace: "  if (endOffset >= 0) return undefined;\n  if ((fence?.epoch ?? 0) !== epoch) {\n",
    }, {
      file: "server/placed_partitions.ts",
      find: "    this.#isLeased = isLeased;\n",
      replace: "    if (isLeased !== undefined) return;\n",
    }],
    seenBy: ["example-chunks", "joined-examples", "exactly-once"],
    scenario: "partition",
  },
  {
    name: "copy-not-verified",
    edits: [{
      file: "actors/embedding_shard/shard_copy.ts",
      find:
        "      target.takeChanges(changes);\n      if (handover !== undefined) return handover;\n",
      replace:
        "      if (handover !== undefined) return handover;\n      target.takeChanges(changes);\n",
    }, {
      file: "kernels/embedding/class_copy.ts",
      find: "      if (own.rows === source.rows && own.digest === source.digest) return;\n",
      replace: "      if (own !== source) return;\n",
    }],
    seenBy: ["served-rows"],
    scenario: "drain-under-load",
  },
  {
    name: "replicas-taken-early",
    edits: [{
      file: "actors/scorer/forward_pass.ts",
      find: "const knowAll = offered.know(inUse.newestMarkMs);",
      replace: "const knowAll = offered.know(0);",
    }],
    seenBy: ["whole-shardings"],
    scenario: "live-reshard",
  },
  {
    name: "replicas-offered-half",
    edits: [{
      file: "actors/scorer/forward_pass.ts",
      find: "return isReady ? offered : undefined;",
      replace: "return knowAll ? offered : undefined;",
    }],
    seenBy: ["whole-shardings"],
    scenario: "live-reshard",
  },
  {
    name: "former-replicas-forgotten",
    edits: [{
      file: "mesh/ports/reshard_progress.ts",
      find: "(load[HELD_SHARDING] ?? -1) < sharding",
      replace: "load[HELD_SHARDING] < 0 && sharding < 0",
    }],
    seenBy: ["former-replicas"],
    scenario: "erasures-while-resharded",
  },
  {
    name: "erased-too-early",
    edits: [{
      file: "gateway/erasure/erasure_state.ts",
      find: "    if (await storedFrom(eventLog, partition) > (last[partition] ?? -1)) continue;\n",
      replace: "    if (last.length > 0) continue;\n",
    }],
    seenBy: ["erased-users"],
    scenario: "mesh-quiet",
  },
  {
    name: "dealing-in-old-epochs",
    edits: [{
      file: "mesh/runtime/coordination/reshard_rules.ts",
      find: "  return 1 + Math.max(0, ...epochs);\n",
      replace: "  return Math.min(...epochs);\n",
    }],
    seenBy: ["ascending-epochs", "one-owner-per-epoch", "liveness", "supervision"],
    scenario: "live-trainers",
  },
  {
    name: "open-rankings-left-behind",
    edits: [{
      file: "actors/joiner/carry_over.ts",
      find: "    if (impression.header.offset >= fromOffset) window.hold(impression);\n",
      replace: "    if (impression.header.offset > fromOffset) window.hold(impression);\n",
    }],
    seenBy: ["joined-examples"],
    scenario: "live-partitions",
  },
  {
    name: "cut-at-the-write",
    edits: [{
      file: "actors/embedding_shard/shard_snapshots.ts",
      find: "        if (snapshot !== undefined) return snapshot.write(message);\n",
      replace:
        '        if (!snapshot) this.begin({ ...message, kind: "beginSnapshot", marks: [] });\n' +
        "        if (this.#last !== undefined) return this.#last.write(message);\n",
    }],
    seenBy: ["one-cut-per-manifest"],
    scenario: "cuts-while-shards-move",
  },
  {
    name: "moved-rows-stay",
    edits: [{
      file: "mesh/placement/host_duties.ts",
      find:
        '  if (duty === undefined) return holding === undefined ? nothing : { kind: "drop" };\n',
      replace:
        '  if (duty === undefined) return holding?.kind !== "copy" ? nothing : { kind: "drop" };\n',
    }],
    seenBy: ["quiet-mesh"],
    scenario: "drain-under-load",
  },
  {
    name: "balance-after-cancel",
    edits: [{
      file: "mesh/placement/plan_document.ts",
      find: '  return kind === "apply" && state !== "cancelled";\n',
      replace: '  return kind === "apply" || state !== "active";\n',
    }],
    seenBy: ["kept-commands"],
    scenario: "operator-at-work",
  },
  {
    name: "balance-beside-plan",
    edits: [{
      file: "mesh/placement/controller.ts",
      find: "mayBalance(view);\n",
      replace: "(mayBalance(view) || planned !== undefined);\n",
    }, {
      file: "mesh/placement/plan_placement.ts",
      find: "if (this.#options.planned === undefined) this.#balanceHosts();",
      replace: "this.#balanceHosts();",
    }],
    seenBy: ["liveness", "kept-commands"],
    scenario: "operator-at-work",
  },
  {
    name: "drained-host-fills",
    edits: [{
      file: "mesh/placement/plan_placement.ts",
      find: '  return state === "up" && ownsShards;\n',
      replace: '  return state !== "silent" && ownsShards;\n',
    }, {
      file: rules,
      find: 'if (state === "draining") throw',
      replace: 'if (state === "draining" && host === "") throw',
    }],
    seenBy: ["kept-commands", "liveness"],
    scenario: "operator-at-work",
  },
  {
    name: "arrivals-uncounted",
    edits: [{
      file: "mesh/placement/drain_progress.ts",
      find: "isOver: leaving + arriving.length === 0,",
      replace: "isOver: leaving === 0,",
    }, {
      file: "mesh/placement/controller.ts",
      find: 'if (view.hosts.get(target.host)?.state === "draining") {',
      replace: 'if (view.hosts.get(target.host)?.state === "draining" && phase === undefined) {',
    }],
    seenBy: ["kept-commands"],
    scenario: "operator-at-work",
  },
  {
    name: "lost-rows-stay-learned",
    edits: [{
      file: "actors/trainer/resume_point.ts",
      find: "      throw new ShardAheadError(partition, offset);\n",
      replace: "      if (offset < 0) throw new ShardAheadError(partition, offset);\n",
    }],
    seenBy: ["exactly-once"],
    scenario: "lost-redis-tail",
  },
  {
    name: "old-primary-taken-for-known",
    edits: [{
      file: "mesh/adapters/redis/server_past.ts",
      find: "[...notesApart(before, present), ...notesApart(present, before)]",
      replace: "notesApart(present, before)",
    }],
    seenBy: ["exactly-once", "held-invariants"],
    scenario: "old-redis-primary",
  },
  {
    name: "runs-by-host-name",
    edits: [{
      file: "mesh/ports/coordination.ts",
      find: "  return a.host === b.host && a.incarnation === b.incarnation;\n",
      replace: "  return a.host === b.host;\n",
    }, {
      file: "mesh/placement/mesh_views.ts",
      find: "  return hosts.get(run.host)?.incarnation === run.incarnation;\n",
      replace: "  return hosts.has(run.host);\n",
    }, {
      file: "mesh/placement/host_duties.ts",
      find: '      return { kind: "rejoin", epoch };\n',
      replace: '      return { kind: "restore", epoch };\n',
    }],
    seenBy: ["one-owner-per-epoch"],
    scenario: "host-dies",
  },
];
