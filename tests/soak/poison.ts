/**
 * Sends every extreme that the HTTP interface lets through among honest traffic. Serving goes on
 * without an error, and honest events are learned until the end.
 */
import { eventually, MeshProcess } from "../integration/mesh_process.ts";
import { Choices } from "./random.ts";

export interface PoisonResult {
  /** Requests with an extreme value. */
  poisoned: number;
  /** Poisoned requests that were answered with a 4xx. */
  refusedAtDoor: number;
  /** Examples that training refused and put aside. */
  rowsPutAside: number;
  /** Honest events that were learned after the last extreme. */
  learnedAfter: number;
  /** Answers of 5xx, and scores that are no numbers. */
  servingErrors: number;
}

export interface PoisonOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly tell: (line: string) => void;
}

const configuration = `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    raw: { kind: numeric, source: item, buckets: { kind: log }, dense: { kind: none } }
    price: { kind: numeric, source: item, buckets: { kind: log }, dense: { kind: standard, mean: 10, stddev: 5 } }
    size: { kind: numeric, source: user, buckets: { kind: log }, dense: { kind: log } }
    tags: { kind: list, source: item, pooling: mean }
model:
  kind: deepFm
  embeddingDim: 4
  hidden: [8]
  tasks: [clicked, minutes]
  taskLosses: { minutes: squaredError }
embeddings: { bytesMax: 64MiB, serving: { bytesMax: 64MiB } }
joiner:
  window: 1s
  tasks:
    clicked:
      - { action: click, label: positive, final: true }
      - { action: dismiss, label: negative, final: true }
    minutes:
      - { action: watch, label: value, final: true }
trainer: { batchRows: 8, linger: 5ms }
shards: { count: 2 }
sync: { rowsInterval: 10ms, denseInterval: 20ms }
storage: { kind: directory, path: data, snapshots: { interval: 2s, spread: 0s } }
gateway: { deadline: 5s }
`;

const numbers: readonly unknown[] = [
  1e9,
  -1e9,
  1e15,
  1e38,
  3.4e38,
  3.5e38,
  1e39,
  -1e40,
  1e308,
  5e-324,
  -0,
  1e-40,
  2 ** 53,
  -(2 ** 63),
  "NaN",
  "Infinity",
  "-1e999",
  "1e40",
  true,
  null,
  [],
  {},
  ["1e40"],
];
const values: readonly unknown[] = [
  5_000,
  1e9,
  -1e9,
  1e20,
  1e30,
  3.4e38,
  3.5e38,
  1e39,
  1e308,
  -1e308,
  5e-324,
  "NaN",
  "1e40",
  null,
  [],
];
const timestamps: readonly unknown[] = [
  0,
  -1,
  1,
  1e9,
  1e15,
  8.64e15,
  8.65e15,
  1e308,
  2 ** 53,
  -8.64e15,
  "soon",
  "1970-01-01T00:00:00Z",
  "+275760-09-13T00:00:00Z",
  null,
  {},
];
const texts: readonly string[] = [
  "",
  " ",
  "\u0000",
  "\uD800",
  "a".repeat(257),
  "a".repeat(60_000),
  "__proto__",
  "\u202E",
  "💥".repeat(64),
];
/** Bodies that JSON.stringify cannot make. */
const bodies: readonly string[] = [
  '{"user":"u","candidates":[{"id":"i","fields":{"raw":1e400}}]}',
  '{"user":"u","candidates":[{"id":"i","fields":{"raw":NaN}}]}',
  '{"user":"u","user":"v","candidates":[{"id":"i"}]}',
  "[".repeat(50_000),
  "null",
];

/** One extreme request. */
interface Poison {
  readonly path: string;
  readonly body: string;
}

export async function soakPoison({ seconds, seed, tell }: PoisonOptions): Promise<PoisonResult> {
  const folder = Deno.makeTempDirSync({ prefix: "cairn-poison-" });
  const path = `${folder}/cairn.yaml`;
  await Deno.writeTextFile(path, configuration);
  const server = await MeshProcess.start(path);
  const run = new PoisonedRun(server, new Choices(seed, "poison"), tell);
  try {
    const endsAtMs = performance.now() + 1_000 * seconds;
    while (performance.now() < endsAtMs) await run.round();
    const learnedAfter = await run.learnHonestly();
    const rowsPutAside = await server.metric("cairn_trainer_rows_refused_total");
    const { success } = await server.kill("SIGTERM");
    if (!success) run.fail(`the server ended in disorder: ${server.said.slice(-1_000)}`);
    const { poisoned, refusedAtDoor, servingErrors } = run;
    return { poisoned, refusedAtDoor, rowsPutAside, learnedAfter, servingErrors };
  } finally {
    await server.kill("SIGKILL");
    await Deno.remove(folder, { recursive: true });
  }
}

class PoisonedRun {
  poisoned = 0;
  refusedAtDoor = 0;
  servingErrors = 0;
  #sent = 0;

  constructor(
    readonly server: MeshProcess,
    readonly choices: Choices,
    readonly tell: (line: string) => void,
  ) {}

  fail(line: string): void {
    this.servingErrors++;
    this.tell(`SERVING ERROR: ${line}`);
  }

  /** An extreme in each part of a request, an extreme value of an event, and honest visits. */
  async round(): Promise<void> {
    for (const poison of this.#poisons()) {
      const response = await this.#post(poison.path, poison.body);
      this.poisoned++;
      if (response.status < 500 && response.status >= 400) this.refusedAtDoor++;
    }
    await this.#poisonedVisit();
    for (let visit = 0; visit < 3; visit++) await this.#honestVisit();
  }

  /** @returns Honest events that were accepted and learned. */
  async learnHonestly(): Promise<number> {
    let [accepted, acceptedAtMs] = [0, 0];
    for (let visit = 0; visit < 20; visit++) {
      for (const at of await this.#honestVisit()) {
        accepted++;
        acceptedAtMs = Math.max(acceptedAtMs, at);
      }
    }
    const learned = await eventually(async () => {
      const { learnedThroughMs } = await this.#rank("honest", ["a", "b"]);
      return learnedThroughMs >= acceptedAtMs;
    }, 60_000);
    return learned ? accepted : 0;
  }

  #poisons(): Poison[] {
    const { choices } = this;
    const number = choices.of(numbers),
      text = choices.of(texts),
      timestamp = choices.of(timestamps);
    const rank = (request: object): Poison => ({
      path: "/v1/rank",
      body: JSON.stringify({ user: "u", candidates: [{ id: "i" }], ...request }),
    });
    const candidate = (fields: object) => rank({ candidates: [{ id: "i", fields }, { id: "a" }] });
    const store = (kind: string, attributes: object): Poison => ({
      path: `/v1/${kind}`,
      body: JSON.stringify([{ id: `poisoned-${choices.below(4)}`, attributes }]),
    });
    return [
      candidate({ raw: number, price: number }),
      candidate({ tags: choices.of([number, text, [text], Array(300).fill("t")]) }),
      rank({ userFields: { size: number, [text]: text }, context: { page: number } }),
      rank({ user: text, timestamp }),
      rank({ limit: number }),
      store("items", { raw: number, price: number }),
      store("users", { size: number, note: text }),
      { path: "/v1/rank", body: choices.of(bodies) },
    ];
  }

  /** Ranks items with extreme profiles and reports events with extreme values and times. */
  async #poisonedVisit(): Promise<void> {
    const { choices } = this;
    const items = ["a", "poisoned-0", "poisoned-1"];
    const { rankingId } = await this.#rank(`poisoner-${choices.below(3)}`, items);
    for (const item of items) {
      const body = JSON.stringify([{
        eventId: `poison-${this.#sent++}`,
        rankingId,
        item,
        action: choices.of(["watch", "click", "dismiss", "", "💥"]),
        value: choices.of(values),
        ...(choices.chance(0.5) && { timestamp: choices.of(timestamps) }),
      }]);
      const response = await this.#post("/v1/events", body);
      this.poisoned++;
      if (response.status >= 400 && response.status < 500) this.refusedAtDoor++;
    }
  }

  async #honestVisit(): Promise<number[]> {
    const items = ["a", "b"];
    const { rankingId } = await this.#rank(`honest-${this.choices.below(20)}`, items);
    const events = [["a", "click"], ["b", "dismiss"]].map(([item, action]) => ({
      eventId: `honest-${this.#sent++}`,
      rankingId,
      item,
      action,
    }));
    const watched = { ...events[0], eventId: `honest-${this.#sent++}`, action: "watch", value: 4 };
    const { answer } = await this.#post("/v1/events", JSON.stringify([...events, watched]));
    const results: { status: string; acceptedAtMs: number }[] = answer?.events ?? [];
    const accepted = results.filter(({ status }) => status === "accepted");
    if (accepted.length !== 3) this.fail(`honest events: ${JSON.stringify(answer)}`);
    return accepted.map(({ acceptedAtMs }) => acceptedAtMs);
  }

  async #rank(user: string, ids: readonly string[]) {
    const body = JSON.stringify({ user, candidates: ids.map((id) => ({ id })) });
    const { status, answer } = await this.#post("/v1/rank", body);
    if (status !== 200) this.fail(`honest ranking: ${status} ${JSON.stringify(answer)}`);
    return answer as { rankingId: string; learnedThroughMs: number };
  }

  // deno-lint-ignore no-explicit-any -- answers of any endpoint
  async #post(path: string, body: string): Promise<{ status: number; answer: any }> {
    const response = await this.server.send(
      new Request(`http://cairn${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      }),
    );
    const text = await response.text();
    if (response.status >= 500) {
      this.fail(`${path} ${body.slice(0, 200)}: ${response.status} ${text}`);
    }
    const answer = JSON.parse(text);
    for (const { id, score } of answer.items ?? []) {
      if (!Number.isFinite(score)) {
        this.fail(`${path} ${body.slice(0, 200)}: score of ${id} ${score}`);
      }
    }
    return { status: response.status, answer };
  }
}
