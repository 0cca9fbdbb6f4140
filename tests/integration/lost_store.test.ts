/**
 * Goal: shards whose host was killed do not begin without their rows where the folder of the
 * snapshots is gone or empty; each host, `status` and `explain` say so, and they go on by
 * themselves when the folder is back, or begin without it when the operator accepts that. Method:
 * real processes with a real Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { runCaptured } from "../cli/captured_command.ts";
import { ownersWhen } from "./hosts_on_redis.ts";
import { type TableHosts, withTableHosts } from "./table_hosts.ts";

const program = installedProgram();
const LACKS = /data\) is not the store of this mesh: it lacks the mark .* volume is mounted/;
const USERS = 40;
const LATER = /shard \d cannot be placed on tables-2.* lacks snapshots\/\d+ and all later /;
const NONE = /shard \d cannot be placed on tables-2.* lacks snapshots\/\d+ and .* it has none\./;

/** Reads until the answer holds, and resolves with it. */
async function until<T>(read: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const found = await read();
    if (holds(found)) return found;
    assert.ok(performance.now() < deadlineMs, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * Users act, and all that is learned of them is in a snapshot; resolves with the newest event.
 *
 * @param from Number of the first visit.
 */
async function learned({ client, store }: TableHosts, from = 0): Promise<number> {
  let newest = 0;
  for (let visit = from; visit < from + USERS; visit++) {
    const { rankingId } = await client.rank(`user-${visit}`, ["left", "right"]);
    const event = { eventId: `e-${visit}`, rankingId, item: "right", action: "click" };
    for (const { acceptedAtMs } of await client.post([event])) {
      newest = Math.max(newest, acceptedAtMs);
    }
  }
  await client.rankFresh("user-0", ["left", "right"], newest);
  const taken = async () => (await store.read()).manifest?.sequence ?? 0;
  const before = await taken();
  await until(taken, (now) => now > before);
  return newest;
}

/** Rows of all shards, as the hosts have told. */
async function rows({ command }: TableHosts): Promise<number> {
  const { hosts } = JSON.parse(await command("status", "--json")) as { hosts: { rows: number }[] };
  return hosts.reduce((sum, each) => sum + each.rows, 0);
}

Deno.test({
  name: "shards of a lost host wait while the folder of the snapshots is gone, and lose no row",
  ignore: program === undefined,
  async fn() {
    await withTableHosts(program ?? "redis-server", async (world) => {
      const { processes, client, store, command } = world;
      const isEven = (owners: readonly string[]) =>
        owners.filter((owner) => owner === "tables-1").length === 2;
      await ownersWhen(store, isEven);
      const newest = await learned(world);
      const data = processes.configuration.replace("mesh.yaml", "data");
      const before = await until(() => rows(world), (now) => now >= USERS);

      await processes.of("tables-1").kill("SIGKILL");
      Deno.renameSync(data, `${data}-unmounted`);
      Deno.mkdirSync(data);
      const status = await until(() => command("status"), (said) => LACKS.test(said));
      assert.match(status, /shard \d cannot be placed on tables-2, which tries again: /);
      const [, shard] = /shard (\d) cannot/.exec(status) ?? [];
      assert.match(await command("explain", "shard", shard), LACKS);
      const isNotPlaced = (said: string) => /"part-not-placed".*lacks the mark/.test(said);
      await until(() => client.text("/health/ready"), isNotPlaced);

      Deno.removeSync(data, { recursive: true });
      Deno.renameSync(`${data}-unmounted`, data);
      await ownersWhen(store, (owners) => owners.every((owner) => owner === "tables-2"));
      await client.rankFresh("user-0", ["left", "right"], newest);
      await until(() => rows(world), (now) => now >= before);
    });
  },
});

Deno.test({
  name: "a mesh whose snapshots are lost goes on without them once the operator accepts that",
  ignore: program === undefined,
  async fn() {
    await withTableHosts(program ?? "redis-server", async (world) => {
      const { processes, client, store, command } = world;
      await ownersWhen(store, () => true);
      await learned(world);
      const data = processes.configuration.replace("mesh.yaml", "data");
      await processes.of("tables-1").kill("SIGKILL");
      Deno.removeSync(`${data}/blobs/snapshots`, { recursive: true });
      await until(() => command("status"), (said) => NONE.test(said));
      await command("recover", "--accept-loss", "--from-snapshot", "none");
      await ownersWhen(store, (owners) => owners.every((owner) => owner === "tables-2"));
      const { rankingId } = await client.rank("user-0", ["left", "right"]);
      const event = { eventId: "e-last", rankingId, item: "right", action: "click" };
      const [{ acceptedAtMs }] = await client.post([event]);
      await client.rankFresh("user-0", ["left", "right"], acceptedAtMs);
    });
  },
});

Deno.test({
  name: "a mesh whose store is an older copy goes on without the examples that were trimmed since",
  ignore: program === undefined,
  async fn() {
    await withTableHosts(program ?? "redis-server", async (world) => {
      const { processes, client, store, command } = world;
      await ownersWhen(store, () => true);
      await learned(world);
      const { configuration } = processes;
      const blobs = `${configuration.replace("mesh.yaml", "data")}/blobs`;
      const copy = `${blobs}-copy`;
      const { out, err } = await runCaptured("data", "backup", configuration, copy, "--json");
      assert.notEqual(out, "", err);
      const { snapshot } = JSON.parse(out);
      // Each is behind the one before, and two are kept.
      for (let snapshots = 1; snapshots <= 3; snapshots++) await learned(world, snapshots * USERS);

      await processes.of("tables-1").kill("SIGKILL");
      Deno.removeSync(blobs, { recursive: true });
      Deno.renameSync(`${copy}/blobs`, blobs);
      await until(() => command("status"), (said) => LATER.test(said));
      const said = await command("recover", "--accept-loss", "--from-snapshot", snapshot);
      assert.match(said, /restores it from the newest snapshot; \d+ examples of which .* no more/);
      await ownersWhen(store, (owners) => owners.every((owner) => owner === "tables-2"));
      const { rankingId } = await client.rank("user-0", ["left", "right"]);
      const event = { eventId: "e-last", rankingId, item: "right", action: "click" };
      const [{ acceptedAtMs }] = await client.post([event]);
      await client.rankFresh("user-0", ["left", "right"], acceptedAtMs);
    });
  },
});
