/**
 * A coordination store on a real Redis or Valkey server, with hosts that have joined and own
 * shards, but run nothing, for tests of the operator's commands.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { installedProgram, LocalServer } from "../../../mesh/adapters/redis/local_server.ts";
import type {
  HostDescription,
  HostReport,
  HostRun,
  HostTerms,
  PlacedKey,
} from "../../../mesh/ports/coordination.ts";
import type { CountedParts } from "../../../mesh/ports/resharding.ts";
import { configurationDigests, ownDigests } from "../../../server/machine/configuration_digests.ts";
import { meshSettingsOf } from "../../../server/machine/mesh_settings.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";
import {
  decodePlan,
  encodePlan,
  endedPlan,
  PLAN_FORMAT,
} from "../../../mesh/placement/plan_document.ts";
import { present } from "../../../structures/invariant.ts";
import { smallConfiguration } from "../../integration/small_mesh.ts";
import { beginCaptured, type Running, type Said } from "../captured_command.ts";

const program = installedProgram();
/** Whether this machine has neither server. */
export const ignore = program === undefined;

/** A text of the configuration and its replacement. */
type Change = readonly [from: string, to: string];

/** The configuration of the mesh. */
function yamlOf(redis: string): string {
  const storage = `{ kind: directory, path: data, redis: { url: "${redis}" } }`;
  const small = smallConfiguration("in one thread", storage, 2)
    .replace("joiner:\n", "joiner:\n  partitions: 2\n");
  return `${small}
mesh:
  id: shop
  # The hosts of a test do not renew their leases.
  lease: 10m
  balance: false
  hosts:
    edge: { address: "127.0.0.1:7401", roles: [serving, joiner, trainer] }
    tables-1: { address: "127.0.0.1:7402", roles: [shards], capacity: 1GiB }
    tables-2: { address: "127.0.0.1:7403", roles: [shards], capacity: 1GiB }
`;
}

export class World {
  readonly file: string;
  readonly redis: string;

  constructor(readonly folder: string, readonly server: LocalServer) {
    this.redis = server.url;
    this.file = `${folder}/mesh.yaml`;
    this.write();
  }

  /** Writes the configuration with these changes, which replace those of an earlier call. */
  write(...changes: readonly Change[]): void {
    const yaml = changes.reduce((text, [from, to]) => {
      assert.ok(text.includes(from), `the configuration has ${from}`);
      return text.replace(from, to);
    }, yamlOf(this.redis));
    Deno.writeTextFileSync(this.file, yaml);
  }

  /** Runs a command; its exit code and both outputs. */
  run(...args: readonly string[]): Promise<Said> {
    return this.launch(...args).ended;
  }

  /** Begins a command, for tests that act while it runs. */
  launch(...args: readonly string[]): Running {
    return beginCaptured(...args, "--config", this.file);
  }

  /** Resolves when `cairn status` says this; another command of the test makes it so. */
  async shows(text: RegExp): Promise<void> {
    while (!text.test((await this.run("status")).out));
  }

  /**
   * All hosts join. The first one of tables owns every shard, and `learn-1` every partition.
   *
   * @param planFormat The format of plans that the second one of tables reads.
   */
  async join({ planFormat = PLAN_FORMAT as number } = {}): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    const settings = meshSettingsOf(configuration);
    const terms: HostTerms = {
      configuration: configurationDigests(configuration),
      secrets: [],
      protocols: [1, 2],
    };
    await coordination.open({ ...settings, ...terms });
    for (const host of ["tables-1", "tables-2", "learn-1", "learn-2"]) {
      const description: HostDescription = {
        ...runOf(host),
        address: "127.0.0.1:1",
        ownSections: ownDigests(configuration),
        roles: host.startsWith("learn") ? ["joiner", "trainer"] : ["shards"],
        capacityBytes: 2 ** 30,
        threads: { serving: 0, trainers: 0, shards: 0 },
        version: "1",
        planFormat: host === "tables-2" ? planFormat : PLAN_FORMAT,
        ...terms,
      };
      await coordination.join(description);
    }
    const owner = runOf("tables-1");
    const ownerOf = (key: string) => runOf(key.startsWith("shard/") ? "tables-1" : "learn-1");
    const turn = await coordination.acquireControl(owner);
    assert.ok(turn.kind === "controls");
    const { control } = turn;
    const { placements } = await coordination.read();
    const keys = [...placements.keys()];
    const restoring = await coordination.place({
      by: { controllerEpoch: control.epoch, planEdition: 0 },
      changes: keys.map((key) => ({
        key,
        expected: { state: "unassigned", epoch: 0 },
        next: { state: "restoring", owner: ownerOf(key) },
        reason: "a test begins",
      })),
    });
    for (const [key, expected] of restoring) {
      const next = { state: "active", owner: ownerOf(key) } as const;
      await coordination.place({ by: ownerOf(key), changes: [{ key, expected, next }] });
    }
    const load = Object.fromEntries(
      keys.flatMap((key) => [[`${key}.rows`, 1_000], [`${key}.bytes`, 10 * 2 ** 20]]),
    );
    await coordination.renew(owner, { load });
    await close();
  }

  /** The host of the first trainer begins the first change that was asked for. */
  async begin(parts: CountedParts): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    await coordination.beginReshard(runOf("learn-1"), { parts, division: 1 });
    await close();
  }

  /** A command of another version of the program writes a plan. */
  async writeOtherPlan(): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    await coordination.writePlan({ edition: 0 }, { format: PLAN_FORMAT + 1 });
    await close();
  }

  /** The controller sees that none of the plan's moves can be made any more. */
  async endPlan(): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    const view = await coordination.read();
    const { edition, document } = present(view.plan, "a plan was applied");
    const ended = endedPlan(decodePlan(document, view.identity), view);
    await coordination.writePlan({ edition }, encodePlan(ended));
    await close();
  }

  /** A host leaves the mesh. */
  async leave(host: string): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    await coordination.leave(runOf(host));
    await close();
  }

  /** A host renews its lease with a report. */
  async tell(
    host: string,
    { unlinked = [], ...told }: Partial<Omit<HostReport, "unlinked">> & {
      /** Names of hosts. */
      readonly unlinked?: readonly string[];
    },
  ): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    await coordination.renew(runOf(host), { load: {}, ...told, unlinked: unlinked.map(runOf) });
    await close();
  }

  /** Applies the file's plan, and has all of its moves made. */
  async applyMoves(): Promise<void> {
    const { moves } = JSON.parse((await this.run("apply", "--json")).out);
    await this.move(Object.fromEntries(
      moves.map(({ key, to }: { key: string; to: string }) => [key, to]),
    ));
  }

  /** A host begins to copy a shard from its owner. */
  async copy(key: PlacedKey, to: string): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    const turn = await coordination.acquireControl(runOf("tables-1"));
    assert.ok(turn.kind === "controls");
    const { placements, plan } = await coordination.read();
    const expected = present(placements.get(key), "the mesh has it");
    assert.ok(expected.state === "active");
    const { owner } = expected;
    const next = { state: "moving", owner, target: runOf(to), phase: "filling" } as const;
    await coordination.place({
      by: { controllerEpoch: turn.control.epoch, planEdition: plan?.edition ?? 0 },
      changes: [{ key, expected, next, reason: "it moves" }],
    });
    await close();
  }

  /** The copy of a shard ends without an effect. */
  async giveUp(key: PlacedKey): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    const { placements } = await coordination.read();
    const expected = present(placements.get(key), "the mesh has it");
    assert.ok(expected.state === "moving");
    const { owner } = expected;
    const next = { state: "active", owner } as const;
    await coordination.place({ by: owner, changes: [{ key, expected, next }] });
    await close();
  }

  /** Gives parts to other hosts, which report that they are active unless a move only begins. */
  async move(
    to: Readonly<Record<string, string>>,
    { begins = false }: { readonly begins?: boolean } = {},
  ): Promise<void> {
    const configuration = parseConfiguration(Deno.readTextFileSync(this.file), this.file);
    const { coordination, close } = await openCoordination(configuration);
    const turn = await coordination.acquireControl(runOf("tables-1"));
    assert.ok(turn.kind === "controls");
    for (const [name, host] of Object.entries(to)) {
      const key = name as PlacedKey;
      const { placements, plan } = await coordination.read();
      const expected = present(placements.get(key), "the key is of the mesh");
      const owner = runOf(host);
      const placed = await coordination.place({
        by: { controllerEpoch: turn.control.epoch, planEdition: plan?.edition ?? 0 },
        changes: [{ key, expected, next: { state: "restoring", owner }, reason: "it moves" }],
      });
      if (begins) continue;
      const restoring = present(placed.get(key), "it was placed");
      const next = { state: "active", owner } as const;
      await coordination.place({ by: owner, changes: [{ key, expected: restoring, next }] });
    }
    const load = Object.fromEntries(
      [0, 1, 2, 3].flatMap((shard) => [[`shard/${shard}.bytes`, 10 * 2 ** 20]]),
    );
    for (const host of ["tables-1", "tables-2"]) await coordination.renew(runOf(host), { load });
    await close();
  }
}

function runOf(host: string): HostRun {
  return { host, incarnation: `${host}-1` };
}

/** Runs a test with a server and a file of its own; no host has joined yet. */
export async function withWorld(run: (world: World) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const server = await LocalServer.start({ program: program ?? "redis-server", directory: folder });
  try {
    await run(new World(folder, server));
  } finally {
    await server.kill();
    Deno.removeSync(folder, { recursive: true });
  }
}
