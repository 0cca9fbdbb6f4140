/**
 * Damages every kind of file of a data directory: flips a bit, cuts it or deletes it, and starts a
 * server on it. The server must know and score as before, or say which file is damaged. Silence
 * with other answers is the failure.
 */
import { eventually, MeshProcess, NotReadyError } from "../integration/mesh_process.ts";
import { type Client, smallConfiguration } from "../integration/small_mesh.ts";
import { copyFolder, filesIn } from "./folders.ts";
import { Choices } from "./random.ts";
import { untilAnswered } from "./slow_server.ts";

export interface DamageResult {
  /** Files that were damaged at least once. */
  files: number;
  damages: number;
  /** The server's answers are those of an undamaged one, and it says nothing. */
  harmless: number;
  /** It goes on and names the file. */
  mended: number;
  /** It does not start, or ends, and names the file. */
  refused: number;
  /** Other answers, or an end, without the file's name. */
  silent: number;
  hung: number;
}

type Outcome = Exclude<keyof DamageResult, "files" | "damages">;

export interface DamageOptions {
  /** Time for damages, s; at least one of each kind of file is made. */
  readonly seconds: number;
  readonly damagesMax?: number;
  /** Rankings before each of three stops; from 60 on the logs have several segments. */
  readonly rankings: number;
  readonly seed: number;
  readonly tell: (line: string) => void;
}

/** Kinds of files, by their paths in the data directory. */
const kinds: readonly (readonly [string, RegExp])[] = [
  ["event segment", /^events\/0\/.*\.segment$/],
  ["example segment", /^examples\/0\/.*\.segment$/],
  ["synced end", /^(events|examples)\/0\/synced$/],
  ["beginning", /^(events|examples)\/0\/.*\.begin$/],
  ["log.json", /^(events|examples)\/log\.json$/],
  ["offsets", /^(events|examples)\/offsets\//],
  ["manifest", /^blobs\/.*manifest\.json$/],
  ["checkpoint", /^blobs\/.*\/trainer\/0$/],
  ["shard header", /^blobs\/.*\/header$/],
  ["shard chunk", /^blobs\/.*\/chunk-\d+$/],
  ["quarantine", /^blobs\/quarantine\//],
  ["profiles", /^profiles\.db$/],
  ["profiles' write-ahead log", /^profiles\.db-wal$/],
];

const USERS = 12;
/** The ranking of each run that has an event from which no step can learn. */
const UNLEARNABLE = 3;
const ITEMS = ["c1", "c2", "d1", "d2"];
const READY_MAX_MS = 60_000;
const STOP_MAX_MS = 30_000;

export async function soakDamage(options: DamageOptions): Promise<DamageResult> {
  const { seconds, damagesMax = Infinity, rankings, seed, tell } = options;
  const folder = Deno.makeTempDirSync({ prefix: "cairn-damage-" });
  const result = { files: 0, damages: 0, harmless: 0, mended: 0, refused: 0, silent: 0, hung: 0 };
  const choices = new Choices(seed, "damage");
  const damaged = new Set<string>();
  try {
    const directory = await Directory.make(folder, rankings);
    const files = filesIn(`${folder}/whole`);
    const endsAtMs = performance.now() + 1_000 * seconds;
    for (let i = 0; i < damagesMax; i++) {
      if (i >= kinds.length && performance.now() >= endsAtMs) break;
      const [kind, pattern] = kinds[i % kinds.length];
      const candidates = files.filter((file) => pattern.test(file));
      if (candidates.length === 0) {
        tell(`no file of the kind "${kind}"`);
        continue;
      }
      const file = choices.of(candidates);
      const { outcome, what } = await directory.tryDamage(file, choices);
      damaged.add(file);
      result.damages++;
      result[outcome]++;
      if (outcome === "silent" || outcome === "hung") tell(`${outcome.toUpperCase()}: ${what}`);
    }
    result.files = damaged.size;
    return result;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Answers that a server on an undamaged directory gives. */
interface Truth {
  readonly rows: number;
  readonly scores: readonly string[];
  readonly profiles: readonly string[];
}

/** A data directory as a kill leaves it, and the answers of a sound server on it. */
class Directory {
  private constructor(
    readonly folder: string,
    readonly rankings: ReadonlyMap<string, string>,
    readonly truth: Truth,
  ) {}

  static async make(folder: string, perRun: number): Promise<Directory> {
    const path = `${folder}/cairn.yaml`;
    const storage = "{ kind: directory, path: data, logBytesMax: 1MiB, " +
      "snapshots: { interval: 1s, spread: 0s } }";
    Deno.writeTextFileSync(
      path,
      smallConfiguration("in one thread", storage)
        .replace("shards: { count: 4 }", "shards: { count: 2 }")
        .replace("window: 2s", "window: 1d")
        .replace("tasks: [clicked]", "tasks: [rated], taskLosses: { rated: squaredError }")
        .replace(/clicked:\n.*\n.*\n/, "rated: [{ action: rate, label: value, final: true }]\n"),
    );
    const rankings = new Map<string, string>();
    for (const signal of ["SIGTERM", "SIGTERM", "SIGKILL"] as const) {
      const server = await MeshProcess.start(path);
      for (let ranking = 0; ranking < perRun; ranking++) {
        await putProfile(server.client, rankings.size);
        const { rankingId } = await rank(server.client, `u${ranking % USERS}`);
        const name = `e${rankings.size}`;
        const events = ITEMS.map((item) => event(name, rankingId, item));
        // The model cannot learn from the value, so the row goes to the quarantine.
        if (ranking === UNLEARNABLE) events[0] = { ...events[0], value: 1e30 };
        await untilAnswered(() => server.client.post(events));
        rankings.set(name, rankingId);
      }
      const rows = rankings.size * ITEMS.length;
      await eventually(async () => await server.metric("cairn_trainer_rows_learned") >= rows);
      await eventually(async () => await server.metric("cairn_trainer_rows_refused_total") >= 1);
      await server.kill(signal);
    }
    await Deno.rename(`${folder}/data`, `${folder}/whole`);
    await copyFolder(`${folder}/whole`, `${folder}/data`);
    const server = await MeshProcess.start(path);
    const truth = await answers(server, rankings.size * ITEMS.length);
    await server.kill("SIGTERM");
    return new Directory(folder, rankings, truth);
  }

  async tryDamage(file: string, choices: Choices): Promise<{ outcome: Outcome; what: string }> {
    const { folder } = this;
    await Deno.remove(`${folder}/data`, { recursive: true });
    await copyFolder(`${folder}/whole`, `${folder}/data`);
    const damage = damageFile(`${folder}/data/${file}`, choices);
    const what = `${file}: ${damage}`;
    const server = MeshProcess.spawn(`${folder}/cairn.yaml`);
    let differences: string[];
    try {
      await server.ready(READY_MAX_MS);
      differences = await this.#differences(server);
    } catch (error) {
      if (error instanceof NotReadyError && error.status === undefined) {
        await server.kill("SIGKILL");
        return { outcome: "hung", what: `${what}: not ready` };
      }
      differences = [error instanceof NotReadyError ? "it does not start" : String(error)];
    }
    const stopped = await stops(server);
    const isNamed = names(server.said, file);
    if (stopped === "hung") return { outcome: "hung", what: `${what}: does not stop` };
    if (stopped !== 0) {
      const outcome = isNamed ? "refused" : "silent";
      return { outcome, what: `${what}: ends with ${stopped}: ${server.said.slice(-1_000)}` };
    }
    if (isNamed) return { outcome: "mended", what };
    if (differences.length === 0) return { outcome: "harmless", what };
    return { outcome: "silent", what: `${what}: ${differences.join("; ")}` };
  }

  /** The server's answers that differ from those of an undamaged one. */
  async #differences(server: MeshProcess): Promise<string[]> {
    const { client } = server;
    const found: string[] = [];
    const { rows, scores, profiles } = await answers(server, this.truth.rows);
    if (rows !== this.truth.rows) found.push(`${rows} of ${this.truth.rows} rows are learned`);
    if (scores.join() !== this.truth.scores.join()) found.push("scores differ");
    if (profiles.join() !== this.truth.profiles.join()) found.push("profiles differ");
    for (const [name, rankingId] of this.rankings) {
      const again = [event(name, rankingId, ITEMS[1])];
      const [{ status }] = await untilAnswered(() => client.post(again));
      if (status !== "duplicate") found.push(`event ${name} again is ${status}`);
    }
    const { rankingId } = await rank(client, "u0");
    const fresh = ITEMS.map((item) => event("new", rankingId, item));
    const results = await untilAnswered(() => client.post(fresh));
    if (results.some(({ status }) => status === "rejected")) found.push("a new event is refused");
    const learnsOn = await eventually(
      async () => await server.metric("cairn_trainer_rows_learned") >= rows + ITEMS.length,
    );
    if (!learnsOn) found.push("new events are not learned");
    return found;
  }
}

/** Waits until all rows are learned, at most some seconds, and reads everything. */
async function answers(server: MeshProcess, rows: number): Promise<Truth> {
  const { client } = server;
  const learned = () => server.metric("cairn_trainer_rows_learned");
  await eventually(async () => await learned() >= rows, 5_000);
  // Learned rows are served a moment later.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const scores: string[] = [];
  for (let user = 0; user < USERS; user++) {
    const { items } = await rank(client, `u${user}`);
    scores.push(JSON.stringify(items));
  }
  const profiles: string[] = [];
  for (let profile = 0; profile < 3 * USERS; profile++) {
    profiles.push(await profileText(client, profile));
  }
  return { rows: await learned(), scores, profiles };
}

function event(name: string, rankingId: string, item: string) {
  const value = item[0] === "c" ? 5 : 1;
  return { eventId: `${name}-${item}`, rankingId, item, action: "rate", value };
}

const rank = (client: Client, user: string) => untilAnswered(() => client.rank(user, ITEMS));

async function putProfile(client: Client, number: number): Promise<void> {
  await profileText(client, number, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ attributes: { note: `profile ${number}` } }),
  });
}

/** The answer about a profile; of an error only the status. */
function profileText(client: Client, number: number, init: RequestInit = {}): Promise<string> {
  return untilAnswered(async () => {
    const request = new Request(`http://cairn/v1/users/p${number}`, init);
    const response = await client.send(request);
    const text = await response.text();
    if (response.status >= 503) throw new Error(`it answered ${response.status}: ${text}`);
    return response.ok ? text : String(response.status); // a problem has a trace id of its own
  });
}

/** Flips a bit or cuts the file, at a random byte, or deletes it; says which. */
function damageFile(path: string, choices: Choices): string {
  const bytes = Deno.readFileSync(path);
  if (choices.chance(0.15) || bytes.length === 0) {
    Deno.removeSync(path);
    return "deleted";
  }
  const at = choices.below(bytes.length);
  if (choices.chance(0.3)) {
    Deno.truncateSync(path, at);
    return `cut at byte ${at} of ${bytes.length}`;
  }
  const bit = choices.below(8);
  bytes[at] ^= 1 << bit;
  Deno.writeFileSync(path, bytes);
  return `bit ${bit} of byte ${at} of ${bytes.length} flipped`;
}

/** The exit code after SIGTERM. */
async function stops(server: MeshProcess): Promise<number | "hung"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"hung">((resolve) => {
    timer = setTimeout(() => resolve("hung"), STOP_MAX_MS);
  });
  const outcome = await Promise.race([server.kill("SIGTERM").then(({ code }) => code), late]);
  clearTimeout(timer);
  if (outcome === "hung") await server.kill("SIGKILL");
  return outcome;
}

/**
 * Whether an error or a warning names the file, or the folder of its snapshot. Where a segment is
 * gone, its partition is named.
 */
function names(said: string, file: string): boolean {
  const partition = /^(events|examples)\/0\//.exec(file)?.[0];
  if (partition !== undefined && said.includes(partition)) return true;
  const path = file.replace("profiles.db-wal", "profiles.db").replace(/^blobs\//, "");
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return said.includes(path) || said.includes(encoded) || said.includes(decodeURIComponent(path));
}
