import assert from "node:assert/strict";
import { type HostOptions, parseConfiguration } from "../../configuration/configuration.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { missingRoles } from "../../server/missing_roles.ts";
import type { RunningMesh } from "../../server/open_gateway.ts";
import { waitUntilReady } from "../../server/waits.ts";
import { hostRecord, meshView, type ViewParts } from "../mesh/placement/mesh_view.ts";

const configured: readonly Pick<HostOptions, "name" | "roles">[] = [
  { name: "edge", roles: ["serving"] },
  { name: "learn", roles: ["joiner", "trainer"] },
  { name: "tables-1", roles: ["shards"] },
  { name: "tables-2", roles: ["shards"] },
];
const edge = hostRecord("edge", { roles: ["serving"] });
const learn = hostRecord("learn", { roles: ["joiner", "trainer"] });

Deno.test("the hosts of a file that have a role which no running host has are named", () => {
  assert.equal(
    missingRoles(meshView({ hosts: [edge, learn] }), configured),
    "no host with the role shards is up: start tables-1 or tables-2",
  );
  const tables = hostRecord("tables-2", { roles: ["shards"] });
  assert.equal(
    missingRoles(meshView({ hosts: [edge, tables] }), configured),
    "no host with the role trainer is up: start learn",
  );
  assert.equal(
    missingRoles(meshView({ hosts: [edge] }), configured),
    "no host with the role shards is up: start tables-1 or tables-2; " +
      "no host with the role trainer is up: start learn",
  );
  assert.equal(missingRoles(meshView({ hosts: [edge, learn, tables] }), configured), undefined);
});

Deno.test("a host whose lease has expired is not up", () => {
  const tables = hostRecord("tables-1", { roles: ["shards"], expiresMs: 99_999 });
  const view = meshView({ hosts: [edge, learn, tables], nowMs: 100_000 });
  assert.match(missingRoles(view, configured) ?? "", /^no host with the role shards is up/);
});

Deno.test("a start that waits for rows says which hosts to start, and for which trainers it waits", async () => {
  const clock = new VirtualClock();
  const telemetry = new TelemetryRecorder();
  const yaml = await Deno.readTextFile(new URL("../../examples/mesh.yaml", import.meta.url));
  let hosts = [edge, learn];
  let placements: NonNullable<ViewParts["placements"]> = {};
  let ready = false;
  const part = {
    ask: () =>
      ready
        ? Promise.resolve({ rows: 0, position: { lineage: "a", sequence: 1 } })
        : Promise.reject(new Error("there is no such actor on edge")),
  };
  const running = {
    mesh: { home: { clock, telemetry }, actorRef: () => part },
    configuration: parseConfiguration(yaml, "mesh.yaml"),
    ranker: { ask: () => Promise.resolve({ ready }) },
    host: "edge",
    meshView: () => Promise.resolve(meshView({ hosts, placements })),
  } as unknown as RunningMesh;
  const steps: string[] = [];
  const onStep = (step: string) => void (step === steps.at(-1) || steps.push(step));
  const waiting = waitUntilReady(running, { onStep });
  await clock.advance(2_000);
  hosts = [edge, learn, hostRecord("tables", { roles: ["shards"] })];
  await clock.advance(2_000);
  const owner = { host: "learn", incarnation: "learn-1" };
  placements = { "trainer/0": { state: "restoring", owner, epoch: 1 } };
  await clock.advance(2_000);
  ready = true;
  await clock.advance(100);
  await waiting;
  assert.deepEqual(steps, [
    "filling the serving replicas",
    "no host with the role shards is up: start tables",
    "filling the serving replicas; Error: there is no such actor on edge",
    "filling the serving replicas; Error: there is no such actor on edge; waiting for trainer 0 to " +
    "begin on learn; its log says why it cannot",
  ]);
});
