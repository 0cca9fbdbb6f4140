/**
 * `POST /v1/rank` from the client's side.
 */
import assert from "node:assert/strict";
import type { Ranking } from "../../actors/ranker/protocol.ts";
import { ReplicaNotCurrentError } from "../../actors/serving_replica/protocol.ts";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import {
  ActorFailedError,
  AskCancelledError,
  AskTimeoutError,
  decodeError,
  encodeError,
  OverloadedError,
} from "../../mesh/runtime/errors.ts";
import { rankingSchema } from "../../gateway/schemas/rank.ts";
import { present } from "../../structures/invariant.ts";
import { fixtureOptions, gatewayFixture, json, startMs } from "./fixture.ts";

const three = { user: "u", candidates: [{ id: "a" }, { id: "b" }, { id: "c" }] };

Deno.test("an answer has ordered items, the ranking's id, the model version and its freshness", async () => {
  const { post } = gatewayFixture();
  const response = await post("/v1/rank", { ...three, limit: 2 });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "application/json");
  const ranking = await json(response);
  assert.deepEqual(ranking, {
    rankingId: "ranking-1",
    modelVersion: 3,
    learnedThroughMs: startMs - 500,
    items: [{ id: "a", score: 1 / 2, cold: false }, { id: "b", score: 1 / 3, cold: true }],
  });
  assert.ok(rankingSchema.safeParse(ranking).success);
});

Deno.test("the ranker gets the client's request with defaults filled in", async () => {
  const { post, ranker } = gatewayFixture();
  await post("/v1/rank", three);
  await post("/v1/rank", {
    user: "ü/1",
    context: { device: "phone", hour: 7 },
    userFields: { age: 40 },
    timestamp: "2025-12-31T23:00:00+01:00",
    candidates: [{ id: "a", fields: { genres: ["x", "y"], price: null } }, { id: "b" }],
    limit: 500,
    explain: true,
    rankingId: "mine",
  });
  assert.deepEqual(ranker.asked, [
    {
      kind: "rank",
      user: "u",
      context: {},
      atMs: startMs,
      candidates: three.candidates,
      limit: 3,
      explain: false,
    },
    {
      kind: "rank",
      user: "ü/1",
      context: { device: "phone", hour: 7 },
      userFields: { age: 40 },
      atMs: Date.UTC(2025, 11, 31, 22),
      candidates: [{ id: "a", fields: { genres: ["x", "y"], price: null } }, { id: "b" }],
      limit: 2,
      explain: true,
      rankingId: "mine",
    },
  ]);
});

Deno.test("500 candidates are ranked", async () => {
  const { post } = gatewayFixture();
  const candidates = Array.from({ length: 500 }, (_, i) => ({ id: `item-${i}` }));
  const ranking = await json(post("/v1/rank", { user: "u", candidates }));
  assert.equal(ranking.items.length, 500);
});

Deno.test("explanations are returned on request", async () => {
  const { post } = gatewayFixture();
  const ranking = await json(post("/v1/rank", { ...three, explain: true, limit: 1 }));
  assert.deepEqual(ranking.items[0].explanation, [{ slot: "item", contribution: 0.25 }]);
});

Deno.test("the ranker gets the remaining budget and the trace id", async () => {
  const { app, ranker, clock } = gatewayFixture({ options: { deadlineMs: 200 } });
  let send!: () => void;
  const body = new ReadableStream({
    start(controller) {
      send = () => {
        controller.enqueue(new TextEncoder().encode(JSON.stringify(three)));
        controller.close();
      };
    },
  });
  const request = new Request("http://cairn/v1/rank", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  const response = Promise.resolve(app.request(request));
  await clock.advance(50);
  send();
  assert.equal((await clock.settle(response)).status, 200);
  const trace = (await response).headers.get("traceparent");
  const [{ signals, ...options }] = ranker.askedWith;
  assert.deepEqual(options, { budgetMs: 150, trace });
  assert.equal(signals?.length, 1);
});

/** Asks for a ranking under the id "mine", whose client may hang up. */
function askAsMine({ app }: Pick<ReturnType<typeof gatewayFixture>, "app">) {
  const hangUp = new AbortController();
  const answer = Promise.resolve(app.request("/v1/rank", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...three, rankingId: "mine" }),
    signal: hangUp.signal,
  }));
  return { hangUp: () => hangUp.abort(), status: answer.then(({ status }) => status) };
}

/** A gateway whose rankings wait until they are answered, and fail where their client hangs up. */
function slowGateway() {
  const fixture = gatewayFixture();
  const { ranker } = fixture;
  const answers: (() => void)[] = [];
  ranker.script = (rank) => {
    const { promise, resolve, reject } = Promise.withResolvers<Ranking>();
    answers.push(() => resolve(ranker.inOrder(rank)));
    const [signal] = present(ranker.askedWith.at(-1)?.signals, "a ranking can be cancelled");
    const cancel = () => reject(new AskCancelledError("ranker/0"));
    if (signal.aborted) cancel();
    signal.onabort = cancel;
    return promise;
  };
  const asked = async (rankings: number) => {
    while (ranker.asked.length < rankings) await soon();
  };
  return { ...fixture, answers, asked };
}

/** Lets requests go on that wait for nothing but each other. */
const soon = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("a ranking whose client hangs up is counted as 499, frees its id, and says nothing about the ranker", async () => {
  const gateway = slowGateway();
  const { post, ranker, telemetry, asked } = gateway;
  const { hangUp, status } = askAsMine(gateway);
  await asked(1);
  const { statusAsked } = ranker;
  hangUp();
  assert.equal(await status, 499);
  assert.deepEqual(telemetry.lines, [], "it is no failure of the server");
  const labels = { method: "POST", route: "/v1/rank", status: "499" };
  assert.equal(telemetry.samples("cairn_http_request_seconds", labels).length, 1);
  ranker.script = (rank) => ranker.inOrder(rank);
  assert.equal((await post("/v1/rank", { ...three, rankingId: "mine" })).status, 200);
  assert.equal(ranker.statusAsked, statusAsked);
});

Deno.test("a client's own ranking id is used once, and may be used again after a failure", async () => {
  const { post, ranker } = gatewayFixture();
  ranker.script = () => Promise.reject(new ActorFailedError("ranker/0", "restarting"));
  assert.equal((await post("/v1/rank", { ...three, rankingId: "mine" })).status, 503);
  ranker.script = (rank) => ranker.inOrder(rank);
  assert.equal((await post("/v1/rank", { ...three, rankingId: "mine" })).status, 200);
  const again = await post("/v1/rank", { ...three, rankingId: "mine" });
  assert.equal(again.status, 409);
  assert.deepEqual((await json(again)).type, "/problems/ranking-exists");
});

Deno.test("an id in progress is refused once its ranking is known, and not before", async () => {
  const gateway = slowGateway();
  const { ranker, answers, asked, post } = gateway;
  const first = askAsMine(gateway);
  await asked(1);
  const second = askAsMine(gateway);
  let isAnswered = false;
  second.status.then(() => isAnswered = true);
  await soon();
  assert.equal(isAnswered, false);
  answers[0]();
  assert.deepEqual(await Promise.all([first.status, second.status]), [200, 409]);
  assert.equal(ranker.asked.length, 1);
  const click = { eventId: "e", rankingId: "mine", item: "a", action: "click" };
  assert.equal((await post("/v1/events", click)).status, 200);
});

Deno.test("an id whose client hangs up and sends it again goes to one of those that wait for it", async () => {
  const gateway = slowGateway();
  const { ranker, answers, asked } = gateway;
  const first = askAsMine(gateway);
  await asked(1);
  const [gone, ...others] = Array.from({ length: 3 }, () => askAsMine(gateway));
  await soon();
  gone.hangUp();
  first.hangUp();
  await asked(3); // the first, one that had gone, and one that is answered
  answers[2]();
  assert.deepEqual(await Promise.all([first, gone, ...others].map(({ status }) => status)), [
    499,
    499,
    200,
    409,
  ]);
  assert.equal(ranker.asked.length, 3);
});

Deno.test("a request that waits for an id ends by its own deadline", async () => {
  const gateway = slowGateway();
  const { clock, asked } = gateway;
  askAsMine(gateway);
  await asked(1);
  const second = askAsMine(gateway);
  await soon();
  await clock.advance(fixtureOptions.deadlineMs);
  assert.equal(await second.status, 504);
});

Deno.test("a score that is not finite is a 503, never null", async () => {
  const { post, ranker } = gatewayFixture();
  for (const score of [NaN, Infinity]) {
    ranker.script = (rank) => {
      const ranking = ranker.inOrder(rank);
      return { ...ranking, items: [{ ...ranking.items[0], score }, ...ranking.items.slice(1)] };
    };
    const response = await post("/v1/rank", three);
    assert.equal(response.status, 503);
    assert.match((await json(response)).detail, /scores are not finite/);
  }
});

Deno.test("events are accepted after the time through which an answered ranking has learned", async () => {
  const { post, ranker, rank } = gatewayFixture();
  ranker.status = {
    ready: true,
    modelVersion: 1,
    learnedThroughMs: startMs + 3_600_000,
    shardsAway: 0,
  };
  await rank("r", ["a"]);
  const answer = await json(
    post("/v1/events", { eventId: "e", rankingId: "r", item: "a", action: "click" }),
  );
  assert.ok(answer.events[0].acceptedAtMs > startMs + 3_600_000);
});

Deno.test("while the ranker is not ready, a ranking is answered 503 with Retry-After, and the next asks again", async () => {
  const { post, ranker } = gatewayFixture();
  ranker.status = { ready: false, modelVersion: 0, learnedThroughMs: 0, shardsAway: 0 };
  const refused = await post("/v1/rank", three);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal((await json(refused)).type, "/problems/not-ready");
  ranker.status = { ready: true, modelVersion: 1, learnedThroughMs: 0, shardsAway: 0 };
  assert.equal((await post("/v1/rank", three)).status, 200);
  assert.equal((await post("/v1/rank", three)).status, 200);
  assert.equal(ranker.statusAsked, 2, "a ready ranker is not asked for its status again");
});

const failures = [
  {
    name: "a timeout is 504 and its detail says where the time went",
    error: new AskTimeoutError("ranker/0", {
      budgetMs: 50,
      node: "main",
      queuedMs: 46,
      behind: 812,
      capacity: 4096,
      handlerMs: 3,
      chain: ["gateway", "ranker/0"],
    }),
    status: 504,
    type: "/problems/deadline-exceeded",
    detail: /queued 46 ms behind 812 messages/,
  },
  {
    name: "a full mailbox is 429 with Retry-After",
    error: new OverloadedError("ranker/0", 64, 64),
    status: 429,
    type: "/problems/overloaded",
    retryAfter: "1",
    detail: /64 messages wait/,
  },
  {
    name: "a failed actor is 503 with Retry-After",
    error: new ActorFailedError("ranker/0", "restarting"),
    status: 503,
    type: "/problems/unavailable",
    retryAfter: "1",
    detail: /restarting/,
  },
  {
    name: "a replica without its rows is 503 with Retry-After",
    error: new ReplicaNotCurrentError(3),
    status: 503,
    type: "/problems/not-ready",
    retryAfter: "1",
    detail: /shard 3 waits for its rows/,
  },
  {
    name: "a defect is 500 and its cause is only in the log",
    error: new TypeError("secret is undefined"),
    status: 500,
    type: "/problems/internal-error",
    detail: /server's log/,
  },
];

for (const failure of failures) {
  Deno.test(`the ranker fails: ${failure.name}`, async () => {
    const { post, ranker, telemetry } = gatewayFixture();
    ranker.script = () => Promise.reject(failure.error);
    const response = await post("/v1/rank", three);
    const body = await json(response);
    assert.equal(response.status, failure.status);
    assert.equal(body.type, failure.type);
    assert.match(body.detail, failure.detail);
    assert.equal(response.headers.get("retry-after"), failure.retryAfter ?? null);
    assert.doesNotMatch(JSON.stringify(body), /secret|stack/);
    if (failure.status === 500) {
      assert.match(String(telemetry.lines.at(-1)?.fields.cause), /secret is undefined/);
      assert.equal(telemetry.lines.at(-1)?.fields.traceId, body.traceId);
    }
  });
}

Deno.test("a failed ranking makes the next one ask for readiness, a wrong attribute does not", async () => {
  const { post, ranker } = gatewayFixture();
  const inOrder = ranker.script;
  const statusAskedAfter = async (error: Error) => {
    ranker.script = () => Promise.reject(decodeError(structuredClone(encodeError(error))));
    await post("/v1/rank", { user: "u", candidates: [{ id: "a" }] });
    ranker.script = inOrder;
    const before = ranker.statusAsked;
    assert.equal((await post("/v1/rank", { user: "u", candidates: [{ id: "a" }] })).status, 200);
    return ranker.statusAsked - before;
  };
  const wrong = new FeatureTypeError("context", "hour", "hour", "a number", "noon");
  assert.equal(await statusAskedAfter(wrong), 0);
  assert.equal(await statusAskedAfter(new Error("replica/0 does not answer")), 1);
});

const mistyped = [
  {
    name: "of the context",
    error: new FeatureTypeError("context", "hour", "hour", "a number", "noon"),
    pointer: "#/context/hour",
    detail: /^is the text "noon"; the feature "hour" reads it, so send a number, or null$/,
  },
  {
    name: "sent with a candidate",
    error: new FeatureTypeError("item", "year", "year", "a number", "old", 1),
    pointer: "#/candidates/1/fields/year",
    detail: /^is the text "old"; /,
  },
  {
    name: "stored with an item",
    error: new FeatureTypeError("item", "year", "year", "a number", "old", 0),
    pointer: "#/candidates/0/id",
    detail: /stored attribute "year", which is the text "old"; .* with PUT \/v1\/items\/\{id\}$/,
  },
  {
    name: "sent with the user",
    error: new FeatureTypeError("user", "age", "age", "a number", ["x"]),
    pointer: "#/userFields/age",
    detail: /^is a list of 1 entry; /,
  },
];

for (const { name, error, pointer, detail } of mistyped) {
  Deno.test(`an attribute of the wrong type ${name} is refused with its pointer`, async () => {
    const { post, ranker } = gatewayFixture();
    // Encoded and decoded, as an error from another thread.
    ranker.script = () => Promise.reject(decodeError(structuredClone(encodeError(error))));
    const response = await post("/v1/rank", {
      user: "u",
      userFields: { age: ["x"] },
      context: { hour: "noon" },
      candidates: [{ id: "a" }, { id: "b", fields: { year: "old" } }],
    });
    assert.equal(response.status, 422);
    const problem = await json(response);
    assert.equal(problem.type, "/problems/invalid-request");
    assert.equal(problem.errors[0].pointer, pointer);
    assert.match(problem.errors[0].detail, detail);
  });
}

Deno.test("every attribute of the wrong type that a request has is listed, the ranker's first", async () => {
  const error = new FeatureTypeError("item", "tags", "tags", "a list of strings", 3, 0);
  const { post, ranker } = gatewayFixture({
    checkProfile: (kind, attributes) => {
      for (const name of ["tags", "year"]) {
        if (!Object.hasOwn(attributes, name)) continue;
        throw new FeatureTypeError(kind, name, name, "something else", attributes[name], 0);
      }
    },
  });
  ranker.script = () => Promise.reject(error);
  const response = await post("/v1/rank", {
    user: "u",
    userFields: { year: "old" },
    candidates: [
      { id: "a", fields: { tags: 3, year: "new", title: "Up" } },
      { id: "b" },
      { id: "c", fields: { year: "x" } },
    ],
  });
  assert.equal(response.status, 422);
  const problem = await json(response);
  assert.match(problem.detail, /^#\/candidates\/0\/fields\/tags is 3; .* \(and 3 more\)\.$/);
  assert.deepEqual(
    problem.errors.map((field: { pointer: string }) => field.pointer),
    [
      "#/candidates/0/fields/tags",
      "#/userFields/year",
      "#/candidates/0/fields/year",
      "#/candidates/2/fields/year",
    ],
  );
  const many = Array.from({ length: 60 }, (_, i) => ({ id: `m${i}`, fields: { tags: 3 } }));
  const bounded = await json(await post("/v1/rank", { user: "u", candidates: many }));
  assert.equal(bounded.errors.length, 20);
});

Deno.test("the caller's own order is logged, and events may name its items", async () => {
  const { post, ranker, memory } = gatewayFixture();
  const shown = ["c", "a"];
  await post("/v1/rank", { ...three, rankingId: "own", limit: 1, shown });
  assert.deepEqual(ranker.asked[0].shown, shown);
  assert.deepEqual(["a", "b", "c"].map((item) => memory.rankings.check("own", item)), [
    "shown",
    "item-not-shown",
    "shown",
  ]);
});

Deno.test("a ranking that teaches nothing is not remembered", async () => {
  const { post, ranker, memory } = gatewayFixture();
  await post("/v1/rank", { ...three, rankingId: "preview", learn: false });
  assert.equal(ranker.asked[0].learn, false);
  assert.equal(memory.rankings.check("preview", "a"), "unknown-ranking");
});
