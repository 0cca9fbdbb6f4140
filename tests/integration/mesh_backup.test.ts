/**
 * Goal: a mesh is backed up while visitors act and snapshots are taken, and hosts that start on the
 * copies elsewhere have learned from all that was accepted before; a copy of Redis that came too
 * late is told.
 *
 * Method: real processes with a real Redis or Valkey server, and the steps of the runbook, made
 * anew until the check agrees, as an operator does.
 */
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { installedProgram, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { runCaptured } from "../cli/captured_command.ts";
import { visits } from "./counted_visits.ts";
import { HostProcesses } from "./host_process.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";

const program = installedProgram();
const roles = { edge: "serving, joiner, trainer", tables: "shards" };

/** Reads until the answer holds. */
async function until<T>(read: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const found = await read();
    if (holds(found)) return found;
    assert.ok(performance.now() < deadlineMs, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Rows of all shards, as the hosts of a configuration have told. */
async function rowsOf(configuration: string): Promise<number> {
  const { out } = await runCaptured("status", "--json", "--config", configuration);
  const { hosts } = JSON.parse(out) as { hosts: { rows: number }[] };
  return hosts.reduce((sum, { rows }) => sum + rows, 0);
}

/** The commands of a backup of the mesh into a folder. */
function backupOf({ processes }: HostsOnRedis, to: string) {
  const backup = ["data", "backup", processes.configuration, to];
  return {
    make: () => runCaptured(...backup),
    check: (...flags: string[]) => runCaptured(...backup, "--check", ...flags),
  };
}

Deno.test({
  name:
    "a backup of a running mesh starts elsewhere with all that was accepted, or is told as late",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      roles,
      placement: "in one thread",
      snapshots: "2s",
      mesh: ["heartbeat: 200ms", "silence: 10s"],
      change: (small) => small.replace("window: 2s", "window: 1h"),
    }, async (hosts) => {
      const { folder, redis, processes, clients: [client], store } = hosts;
      const other = `${folder}/other`;
      const visiting = visits(client);

      const late = backupOf(hosts, `${folder}/late`);
      const { out } = await until(late.make, ({ code }) => code === 0);
      const [, name] = /snapshot (\d{15})\n.*Redis.*\n.*--check$/m.exec(out) ?? assert.fail(out);
      const view = () => store.read();
      await until(view, ({ oldestSnapshot = "" }) => oldestSnapshot > `snapshots/${name}`);
      const refused = await late.check();
      assert.equal(refused.code, 1, refused.out);
      assert.match(
        refused.err,
        /does not go with .*: it is older than all snapshots that the mesh keeps\./,
      );
      assert.match(refused.err, /before 2 newer snapshots .* 2s: .* storage\.snapshots\.retained/);

      const inTime = backupOf(hosts, `${other}/data`);
      let accepted = 0;
      await until(async () => {
        rmSync(other, { recursive: true, force: true });
        assert.equal((await inTime.make()).code, 0);
        await until(() => Promise.resolve(visiting.accepted), (now) => now > accepted + 20);
        accepted = visiting.accepted;
        cpSync(`${folder}/redis/appendonlydir`, `${other}/redis/appendonlydir`, {
          recursive: true,
        });
        return await inTime.check("--json");
      }, ({ code }) => code === 0);

      await visiting.stop();
      await processes.end();
      await redis.kill();
      const copied = await LocalServer.start({
        program: program ?? "redis-server",
        directory: `${other}/redis`,
      });
      const configuration = `${other}/mesh.yaml`;
      const yaml = Deno.readTextFileSync(processes.configuration);
      Deno.writeTextFileSync(configuration, yaml.replace(redis.url, copied.url));
      const restored = new HostProcesses(configuration);
      try {
        await restored.start(...Object.keys(roles));
        // A row of each user, and that of the item on which all of them clicked.
        await until(() => rowsOf(configuration), (rows) => rows >= accepted + 1);
        const { rankingId } = await client.rank("user-last", ["left", "right"]);
        const event = { eventId: "e-last", rankingId, item: "right", action: "click" };
        const [{ acceptedAtMs }] = await client.post([event]);
        await client.rankFresh("user-last", ["left", "right"], acceptedAtMs);
      } finally {
        await restored.end();
        await copied.kill();
      }
    });
  },
});
