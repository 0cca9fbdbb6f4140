/**
 * Builds the image of Dockerfile and runs it as an operator would: as a user without rights, on a
 * read-only root file system. It must answer a ranking, learn from an event, be refused whatever it
 * does not need, stop on SIGTERM with a snapshot, and start again from a backup.
 *
 *     deno run -A scripts/check_image.ts
 *
 * Only Debian's packages are needed (buildah, mmdebstrap), no registry of images: the base images
 * are made here. Exit code 77 = this machine cannot build images, with the reason.
 */
import { setTimeout as pause } from "node:timers/promises";
import { join } from "node:path";
import { SKIPPED } from "./skipped.ts";

const root = new URL("../", import.meta.url).pathname;
const IMAGE = "localhost/cairn:check";
const KEY = "a key of this check alone";
const PORT = 18_080;
const UID = 10_001;
const READY_MS_MAX = 60_000;
/** Above this a needless dependency or a foreign platform came in. */
const SIZE_MIB_MAX = 340;

const work = await Deno.makeTempDir({ prefix: "cairn-image-" });

/** Mounts the image's root read-only with its volumes, and becomes its user. */
const runReadOnly = `set -e
root=$1; data=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp"
mount --bind "$data" "$root/data"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero random urandom; do
  touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
exec chroot --userspec=${UID}:${UID} "$root" "$@"
`;

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(program: string, ...args: string[]): Promise<Ended> {
  try {
    const command = new Deno.Command(program, { args, stdin: "null", cwd: root });
    const { code, stdout, stderr } = await command.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    return { code, out: text(stdout), err: text(stderr) };
  } catch (error) {
    return { code: 127, out: "", err: String(error) };
  }
}

/** @throws {Error} With the end of the program's output, when it fails. */
async function must(program: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await run(program, ...args);
  if (code === 0) return out;
  const output = `${out}\n${err}`.trim().split("\n").slice(-15).join("\n");
  throw new Error(`${program} ${args.slice(0, 6).join(" ")} … exits with ${code}:\n${output}`);
}

/** Images and containers lie in the temporary folder, not among the machine's own. */
const storage = ["--root", join(work, "storage"), "--runroot", join(work, "run")];
const buildah = (...args: string[]) => must("buildah", ...storage, ...args);

/** Why this machine cannot build and run images; undefined = it can. */
async function reasonToSkip(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "it needs root to mount a root file system";
  for (const program of ["buildah", "mmdebstrap", "unshare"]) {
    const { code } = await run(program, "--version");
    if (code !== 0) return `it needs ${program}`;
  }
  const mounts = await run("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt");
  if (mounts.code !== 0) return `file systems cannot be mounted: ${mounts.err}`;
  const container = await run("buildah", ...storage, "from", "scratch");
  if (container.code !== 0) return `buildah cannot make a container: ${container.err}`;
  return undefined;
}

/** Makes an image of these files; `source` is an archive, a folder or a file. */
async function imageOf(name: string, files: readonly [source: string, path: string][]) {
  const container = await buildah("from", "scratch");
  for (const [source, path] of files) await buildah("add", "-q", container, source, path);
  await buildah("commit", "-q", container, name);
  await buildah("rm", container);
}

async function build(): Promise<void> {
  const archive = join(work, "base.tar");
  await must("mmdebstrap", "--variant=minbase", "trixie", archive);
  const certificates = "/usr/local/share/ca-certificates";
  await imageOf("localhost/base", [[archive, "/"], [certificates, certificates]]);
  await imageOf("localhost/deno", [[Deno.execPath(), "/deno"]]);
  const limit = async (flag: string) => await must("bash", "-c", `ulimit -H${flag}`);
  const [files, processes] = [await limit("n"), await limit("u")];
  await buildah(
    "build",
    ...["--isolation", "chroot", "--network", "host", "--format", "docker"],
    ...["--ulimit", `nofile=${files}:${files}`, "--ulimit", `nproc=${processes}:${processes}`],
    ...["--build-arg", "BASE_IMAGE=localhost/base", "--build-arg", "DENO_IMAGE=localhost/deno"],
    ...["-t", IMAGE, "."],
  );
}

interface ImageConfiguration {
  readonly User: string;
  readonly Env: readonly string[];
  readonly WorkingDir: string;
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly Healthcheck: { readonly Test: readonly string[] };
}

async function configurationOf(image: string): Promise<ImageConfiguration> {
  return JSON.parse(await buildah("inspect", "--type", "image", image)).Docker.config;
}

async function sizeMiBOf(image: string): Promise<number> {
  const [{ size }] = JSON.parse(await buildah("images", "--json", image));
  const [, number, unit] = /^([\d.]+) ([KMG])B$/.exec(size) ?? [];
  return Number(number) * { K: 1e3, M: 1e6, G: 1e9 }[unit as "K" | "M" | "G"] / 2 ** 20;
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

/** A container of the image with a data volume, as `unshare` runs it. */
class Container {
  readonly #configuration: ImageConfiguration;
  readonly #image: string;
  readonly #data: string;

  constructor(configuration: ImageConfiguration, image: string, data: string) {
    this.#configuration = configuration;
    this.#image = image;
    this.#data = data;
  }

  /** Runs a command in the image. */
  run(command: readonly string[]): Promise<Ended> {
    return run("unshare", ...this.#unshared(command));
  }

  /** Runs `cairn` in the image. */
  cairn(...command: readonly string[]): Promise<Ended> {
    return this.run([...this.#configuration.Entrypoint, ...command]);
  }

  /** Runs the server while `work` does; it must stop on SIGTERM. */
  async serve(work: (url: string) => Promise<void>): Promise<void> {
    const server = new Deno.Command("unshare", {
      args: this.#unshared([
        // The server starts only where its program cannot be changed.
        ...["sh", "-c", '! touch /app/file 2>/dev/null && cd /data && exec "$@"', "sh"],
        ...this.#configuration.Entrypoint,
        ...this.#configuration.Cmd,
        // A busy machine is slow, not wrong.
        ...["--port", String(PORT), "--set", "gateway.deadline=30s"],
      ]),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const ended = server.output();
    try {
      const startedAtMs = performance.now();
      const url = `http://127.0.0.1:${PORT}`;
      await ready(url, startedAtMs, ended);
      const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
      console.log(`image: ready after ${seconds} s as user ${UID}`);
      await work(url);
      await must("pkill", "-TERM", "-u", String(UID), "-f", "main.ts serve");
      const { code, stderr } = await ended;
      check(code === 0, `the server exits with ${code}: ${new TextDecoder().decode(stderr)}`);
    } finally {
      await run("pkill", "-KILL", "-u", String(UID), "-f", "main.ts serve");
      await ended;
    }
  }

  #unshared(command: readonly string[]): string[] {
    const data = this.#data;
    return [
      ...["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", runReadOnly, "sh"],
      ...[this.#image, data, "env", "-i", ...this.#configuration.Env, `CAIRN_API_KEY=${KEY}`],
      // The server listens and its health check asks; nothing else is needed here.
      ...[`CAIRN_ALLOW_NET=0.0.0.0:${PORT},127.0.0.1:${PORT}`, ...command],
    ];
  }
}

async function volume(name: string): Promise<string> {
  const path = join(work, name);
  await Deno.mkdir(path);
  await Deno.chown(path, UID, UID);
  return path;
}

/** Starts the image, ranks, learns, stops it, and starts its backup elsewhere. */
async function use(configuration: ImageConfiguration): Promise<void> {
  const image = await buildah("mount", await buildah("from", "--pull-never", IMAGE));
  const [data, other] = [await volume("data"), await volume("other")];
  const container = new Container(configuration, image, data);
  await container.serve(async (url) => {
    const health = await container.run(
      configuration.Healthcheck.Test.slice(1).concat("--url", url),
    );
    check(health.code === 0, `the image's health check fails: ${health.err}`);
    await rank(url);
    await learn(url);
    await checkPermissions(container);
    const backup = await container.cairn("data", "backup", "/data/cairn", "/data/backup");
    check(backup.code === 0, `the running server is not backed up: ${backup.err}`);
  });
  const snapshots = [...Deno.readDirSync(join(data, "cairn/blobs/snapshots"))];
  check(snapshots.length > 0, "the server took no snapshot when it stopped");
  console.log("image: ranks, learns, and stops on SIGTERM with a snapshot");
  await Deno.rename(join(data, "backup"), join(other, "cairn"));
  await new Container(configuration, image, other).serve(learn);
  console.log("image: its backup starts with another volume, and learns on");
}

async function ready(
  url: string,
  startedAtMs: number,
  ended: Promise<Deno.CommandOutput>,
): Promise<void> {
  let over = false;
  ended.then(() => over = true);
  for (;;) {
    const response = await fetch(`${url}/health/ready`).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.status === 200) return;
    if (over) throw new Error(new TextDecoder().decode((await ended).stderr));
    check(performance.now() - startedAtMs < READY_MS_MAX, "the server does not get ready");
    await pause(100);
  }
}

async function rank(url: string): Promise<void> {
  const body = JSON.stringify({ user: "ann", candidates: [{ id: "a" }, { id: "b" }] });
  const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}` };
  const response = await fetch(`${url}/v1/rank`, { method: "POST", headers, body });
  const text = await response.text();
  check(response.status === 200, `a ranking gets ${response.status}: ${text}`);
  check(JSON.parse(text).items.length === 2, `a ranking of two items is ${text}`);
  const anonymous = await fetch(`${url}/v1/rank`, { method: "POST", body });
  await anonymous.body?.cancel();
  check(anonymous.status === 401, `a ranking without a key gets ${anonymous.status}`);
}

/** An event changes the scores: the native libraries of training work under the permissions. */
async function learn(url: string): Promise<void> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${KEY}` };
  const send = async (path: string, body: object) => {
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, init);
    check(response.status === 200, `${path} gets ${response.status}`);
    return await response.json();
  };
  const candidates = [{ id: "a" }, { id: "b" }];
  const { rankingId } = await send("/v1/rank", { user: "ann", candidates });
  const event = { eventId: `click on ${rankingId}`, rankingId, item: "a", action: "click" };
  const { events: [{ acceptedAtMs }] } = await send("/v1/events", event);
  const beganMs = performance.now();
  for (;;) {
    const { learnedThroughMs } = await send("/v1/rank", { user: "ann", candidates });
    if (learnedThroughMs >= acceptedAtMs) return;
    check(performance.now() - beganMs < READY_MS_MAX, "the click is never learned");
    await pause(100);
  }
}

/** The image's program is refused files and addresses that it does not need. */
async function checkPermissions(container: Container): Promise<void> {
  const refusals = [
    ["read", ["serve", "--config", "/etc/passwd"]],
    ["net", ["health", "--url", "http://127.0.0.1:18081"]],
  ] as const;
  for (const [kind, command] of refusals) {
    const { code, err } = await container.cairn(...command);
    check(
      code !== 0 && new RegExp(`Requires ${kind} access`).test(err),
      `cairn ${command.join(" ")} exits with ${code} and is not refused ${kind}: ${err}`,
    );
  }
  console.log("image: files and addresses that it does not need are refused");
}

async function checkImage(): Promise<number> {
  const reason = await reasonToSkip();
  if (reason !== undefined) {
    console.log(`image: skipped, ${reason}`);
    return SKIPPED;
  }
  await build();
  const configuration = await configurationOf(IMAGE);
  check(configuration.User === String(UID), `the image runs as user ${configuration.User}`);
  const mebibytes = await sizeMiBOf(IMAGE);
  console.log(`image: ${mebibytes.toFixed(0)} MiB with Debian below`);
  check(mebibytes <= SIZE_MIB_MAX, `the image is larger than ${SIZE_MIB_MAX} MiB`);
  await use(configuration);
  return 0;
}

let code = 1;
try {
  code = await checkImage();
} catch (error) {
  console.error(`image: ${error instanceof Error ? error.message : error}`);
} finally {
  await run("buildah", ...storage, "rm", "--all");
  await Deno.remove(work, { recursive: true }).catch(() => {});
}
Deno.exit(code);
