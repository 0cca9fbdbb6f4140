/**
 * Goal: the connection speaks TLS with a certificate of an own authority, says what to do where it
 * is refused, and finds the new primary after a failover by sentinels. Method: real servers and a
 * real sentinel on ports of this machine; certificates made by openssl.
 */
import assert from "node:assert/strict";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import { RedisServer } from "../../../../mesh/adapters/redis/redis_server.ts";
import { parseConfiguration } from "../../../../configuration/configuration.ts";
import { openCoordination } from "../../../../server/machine/redis_coordination.ts";
import { openRedisStores, redisStorageOf } from "../../../../server/machine/redis_storage.ts";
import { freePorts } from "../../../free_ports.ts";
import { withPrograms } from "./servers.ts";

/** Processes and files of one test. */
class Scene {
  readonly folder = Deno.makeTempDirSync({ prefix: "cairn-tls-" });
  readonly #processes = new Map<string, Deno.ChildProcess>();

  start(name: string, program: string, args: readonly string[]): void {
    Deno.mkdirSync(`${this.folder}/${name}`, { recursive: true });
    const process = new Deno.Command(program, {
      args: [...args],
      cwd: `${this.folder}/${name}`,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#processes.set(name, process);
  }

  async kill(name: string): Promise<void> {
    const process = this.#processes.get(name);
    this.#processes.delete(name);
    process?.kill("SIGKILL");
    await process?.status;
  }

  async end(): Promise<void> {
    for (const name of [...this.#processes.keys()]) await this.kill(name);
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function openssl(folder: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command("openssl", { args, cwd: folder }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** An authority, and a certificate of the server that it has signed. */
function makeCertificates(folder: string): void {
  const days = ["-days", "2"];
  const key = ["-newkey", "rsa:2048", "-nodes"];
  openssl(
    folder,
    ...["req", "-x509", ...key, ...days, "-keyout", "ca.key", "-out", "ca.pem"],
    ...["-subj", "/CN=an authority"],
  );
  openssl(
    folder,
    ...["req", ...key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"],
  );
  Deno.writeTextFileSync(`${folder}/names`, "subjectAltName=DNS:localhost,IP:127.0.0.1");
  openssl(
    folder,
    ...["x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key"],
    ...["-CAcreateserial", ...days, "-extfile", "names", "-out", "cert.pem"],
  );
}

const ONLY = { isOnlyProcess: true, onWarning: () => {} };

const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];

async function until<T>(attempt: () => Promise<T>, msMax = 60_000): Promise<T> {
  const endsMs = performance.now() + msMax;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > endsMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function answer(port: number, command: string): Promise<string> {
  using connection = await Deno.connect({ port });
  await connection.write(new TextEncoder().encode(`${command}\r\n`));
  const reply = new Uint8Array(4_096);
  return new TextDecoder().decode(reply.subarray(0, await connection.read(reply) ?? 0));
}

/** Fails until the primary has a replica. */
async function hasReplica(port: number): Promise<void> {
  assert.match(await answer(port, "INFO replication"), /state=online/);
}

/** Fails until the sentinel has found the replica. */
async function knowsReplica(port: number): Promise<void> {
  assert.match(await answer(port, "SENTINEL REPLICAS shop"), /^\*1\r\n[^]*slave-priority/);
}

withPrograms((program) => {
  const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    Deno.test(`${program}: ${name}`, async () => {
      const scene = new Scene();
      try {
        await body(scene);
      } finally {
        await scene.end();
      }
    });

  test("stores over TLS, with the certificate of an own authority", async (scene) => {
    const { folder } = scene;
    makeCertificates(folder);
    const [port] = freePorts(1);
    const files = ["--tls-cert-file", `${folder}/cert.pem`, "--tls-key-file", `${folder}/key.pem`];
    const authority = ["--tls-ca-cert-file", `${folder}/ca.pem`, "--tls-auth-clients", "yes"];
    scene.start("tls", program, [
      ...["--port", "0", "--tls-port", String(port), ...files, ...authority, ...durable],
      ...["--requirepass", "secret"],
    ]);
    const yaml = (redis: string) => `
features: { slots: { user: { kind: id, source: user } } }
model: { kind: logisticRegression, tasks: [click] }
storage: { kind: directory, path: ${folder}/data, redis: { url: "rediss://127.0.0.1:${port}", ${redis} } }
mesh: { id: shop, hosts: { one: { address: "127.0.0.1:7400", roles: [serving, shards, trainer, joiner] } } }
`;
    const tls = `tls: { ca: ${folder}/ca.pem, cert: ${folder}/cert.pem, key: ${folder}/key.pem }`;
    const right = parseConfiguration(yaml(`password: secret, ${tls}`), "cairn.yaml");
    const opened = await until(() => openCoordination(right));
    await opened.close();
    const storageOf = (redis: string) => {
      const { storage } = parseConfiguration(yaml(redis), "cairn.yaml");
      assert.ok(storage.kind === "directory" && storage.redis);
      const sizes = { logBytesMax: 1e6, partitions: { events: 1, examples: 1 }, knownMs: 1 };
      const options = redisStorageOf(storage.redis, "shop", sizes);
      return { ...options, server: { ...options.server, openBudgetMs: 200 } };
    };
    const stores = await openRedisStores(storageOf(`password: secret, ${tls}`), ONLY);
    await stores.eventLog.append(0, [Uint8Array.of(1)]);
    await stores.close();
    await assert.rejects(openRedisStores(storageOf("password: secret"), ONLY), {
      name: "RedisStorageError",
      message: /Give the certificate of the authority .* by storage\.redis\.tls\.ca/,
    });
    await assert.rejects(openRedisStores(storageOf(tls), ONLY), {
      message: /Correct storage\.redis\.username and storage\.redis\.password/,
    });
    assert.throws(() => storageOf("tls: { ca: /none.pem }"), {
      message: /storage\.redis\.tls\.ca: cannot read \/none\.pem: .*Give the path of a PEM file/,
    });
  });

  test("a failover of sentinels is followed, and appends go on at the new primary", async (scene) => {
    const [one, two, watcher, unused] = freePorts(4);
    // A replica that comes is given the data at once.
    const prompt = ["--repl-diskless-sync-delay", "0"];
    scene.start("one", program, ["--port", String(one), ...durable, ...prompt]);
    scene.start("two", program, [
      ...["--port", String(two), ...durable, "--replicaof", `127.0.0.1 ${one}`],
    ]);
    // A sentinel asks for replicas when it starts, and again 10 s later.
    await until(() => hasReplica(one));
    const file = `${scene.folder}/sentinel.conf`;
    Deno.writeTextFileSync(
      file,
      `port ${watcher}
sentinel monitor shop 127.0.0.1 ${one} 1
sentinel down-after-milliseconds shop 500
sentinel failover-timeout shop 3000
`,
    );
    scene.start("sentinel", program, [file, "--sentinel"]);
    const options = {
      url: "redis://shop",
      sentinels: { addresses: [`127.0.0.1:${unused}`, `127.0.0.1:${watcher}`] },
      mesh: "shop",
      replicas: 1,
      deadlineMs: 1_000,
    };
    await using opened = new AsyncDisposableStack();
    const server = opened.adopt(
      await until(() => RedisServer.open(options)),
      (server) => Promise.resolve(server.close()),
    );
    const log = opened.adopt(
      await RedisEventLog.open({
        server,
        name: "events",
        partitions: 1,
        bytesMax: 1e6,
        writer: "a",
        budgetMs: 2_000,
      }),
      (log) => log.close(),
    );
    await until(() => log.append(0, [Uint8Array.of(1)]));
    await until(() => knowsReplica(watcher));
    await scene.kill("one");
    // The new primary has no replica yet: a written record is enough to see that it is found.
    await until(() => log.append(0, [Uint8Array.of(2)], "written"));
    assert.equal(server.commands.report.get("tcp_port"), String(two));
    const { server: wrong } = { server: { ...options, url: "redis://other", openBudgetMs: 100 } };
    await assert.rejects(RedisServer.open(wrong), {
      name: "RedisUnavailableError",
      message: /127\.0\.0\.1:\d+ knows no primary "other"\. Correct storage\.redis\.sentinels/,
    });
  });
});
