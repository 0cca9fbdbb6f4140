/**
 * Batches, waits and bounds of the TypeScript client, against a scripted `fetch`; and its types.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Cairn,
  type CairnEvent,
  type CairnOptions,
  CairnProblemError,
  CairnQueueError,
  CairnUnreachableError,
  type EventResult,
  type LostEvents,
} from "../../clients/cairn.ts";

type Answer = (body: unknown) => Response | Promise<Response>;

const click = (n: number): CairnEvent => ({
  eventId: `e-${n}`,
  rankingId: "r",
  item: "i",
  action: "click",
});

function problem(kind: string, status: number, headers: Record<string, string> = {}): Response {
  const body = { type: `/problems/${kind}`, title: "t", status, detail: "d" };
  return Response.json(body, { status, headers });
}

function acceptAll(body: unknown): Response {
  const events = (body as CairnEvent[]).map(({ eventId }): EventResult => ({
    eventId: eventId as string,
    status: "accepted",
    acceptedAtMs: 1,
  }));
  return Response.json({ accepted: events.length, duplicates: 0, rejected: 0, events });
}

/** A client whose requests are answered by `answer`, and all bodies that it has sent. */
function scripted(answer: Answer, options: Partial<CairnOptions> = {}) {
  const bodies: unknown[] = [];
  const cairn = new Cairn({
    url: "http://cairn",
    backoffMs: 1,
    ...options,
    fetch: (_, { body }) => {
      bodies.push(JSON.parse(String(body)));
      return Promise.resolve(answer(bodies.at(-1)));
    },
  });
  return { cairn, bodies };
}

/** Runs `work` with timers that end at once, and returns their delays, ms. */
async function delaysOf(work: () => Promise<unknown>): Promise<number[]> {
  const { setTimeout: real } = globalThis;
  const delays: number[] = [];
  globalThis.setTimeout = ((callback: () => void, ms: number) => {
    delays.push(ms);
    return real(callback, 0);
  }) as typeof setTimeout;
  try {
    await work();
  } finally {
    globalThis.setTimeout = real;
  }
  return delays;
}

Deno.test("tracked events are sent together after the flush interval", async () => {
  const sent = Promise.withResolvers<void>();
  const { cairn, bodies } = scripted((body) => {
    sent.resolve();
    return acceptAll(body);
  });
  const delays = await delaysOf(async () => {
    cairn.track(click(1));
    cairn.track(click(2));
    await sent.promise;
  });
  assert.deepEqual(bodies, [[click(1), click(2)]]);
  assert.deepEqual(delays, [1000]);
  await cairn.close();
});

Deno.test("a full batch is sent at once, and a large one is cut by its size", async () => {
  const { cairn, bodies } = scripted(acceptAll, { batchEventsMax: 3, batchUnitsMax: 150 });
  for (let n = 1; n <= 3; n++) cairn.track(click(n));
  assert.equal(bodies.length, 1);
  await cairn.flush();
  assert.deepEqual(bodies, [[click(1), click(2)], [click(3)]]);
  await cairn.close();
});

Deno.test("a retry waits as long as the server asks for, in seconds or as a date", async () => {
  const date = new Date(Date.now() + 20_000).toUTCString();
  const answers = [
    problem("log-full", 503, { "retry-after": "5" }),
    problem("overloaded", 429, { "retry-after": date }),
    problem("overloaded", 429),
  ];
  const { cairn, bodies } = scripted(() => answers.shift() ?? Response.json({ items: [] }));
  const delays = await delaysOf(() => cairn.rank({ user: "u", candidates: [] }));
  assert.equal(delays.length, 3);
  assert.ok(delays[0] >= 5000 && delays[0] < 5010, String(delays));
  assert.ok(delays[1] > 15_000 && delays[1] < 20_010, String(delays));
  assert.ok(delays[2] <= 4, String(delays));
  assert.equal(new Set(bodies.map((body) => (body as CairnEvent).rankingId)).size, 1);
});

Deno.test("a longer wait than allowed is not begun, and the problem is the error", async () => {
  const { cairn, bodies } = scripted(() => problem("unavailable", 503, { "retry-after": "3600" }));
  await assert.rejects(
    cairn.rank({ user: "u", candidates: [] }),
    (error) =>
      error instanceof CairnProblemError && error.kind === "unavailable" && error.attempts === 1,
  );
  assert.equal(bodies.length, 1);
});

Deno.test("an address without http:// is refused at once, and a path of the page's origin is not", () => {
  for (const url of ["localhost:8080", "10.0.0.5:8080", "shop.example", "ftp://shop.example"]) {
    assert.throws(() => new Cairn({ url }), {
      name: "TypeError",
      message: `Cairn: url is "${url}"; begin it with http:// or https://`,
    });
  }
  for (const url of ["http://10.0.0.5:8080", "https://shop.example/", "/cairn", ""]) {
    new Cairn({ url });
  }
});

Deno.test("an error names the attempts where there were several, and says nothing twice", async () => {
  const messageOf = async (title: string, detail: string | undefined, status: number) => {
    const { cairn } = scripted(() =>
      Response.json({ type: "/problems/overloaded", status, title, detail }, { status })
    );
    return await delaysOf(() => cairn.rank({ user: "u", candidates: [] })).catch(({ message }) =>
      message
    );
  };
  assert.equal(
    await messageOf("It is off", "It is off; set recommend.enabled.", 404),
    "POST /v1/rank was answered 404: It is off; set recommend.enabled.",
  );
  assert.equal(
    await messageOf("Too much", "Wait.", 503),
    "POST /v1/rank was answered 503 after 6 attempts: Too much: Wait.",
  );
  assert.equal(await messageOf("Gone", undefined, 404), "POST /v1/rank was answered 404: Gone");
  assert.equal(await messageOf("", "", 404), "POST /v1/rank was answered 404");
});

Deno.test("a known ranking id is an error unless an earlier answer was lost", async () => {
  const { cairn, bodies } = scripted(() => problem("ranking-exists", 409));
  await assert.rejects(
    cairn.rank({ user: "u", candidates: [], rankingId: "mine" }),
    (error) => error instanceof CairnProblemError && error.kind === "ranking-exists",
  );
  assert.equal(bodies.length, 1);
});

Deno.test("an event that the server could not take just now is sent again alone, when it asks for it", async () => {
  let requests = 0;
  const { cairn, bodies } = scripted((body) => {
    if (requests++ > 0) return acceptAll(body);
    const rejected = {
      type: "/problems/log-full",
      title: "t",
      status: 503,
      detail: "d",
      retryAfterSeconds: 5,
    };
    const accepted = { status: "accepted", acceptedAtMs: 1 };
    return Response.json({
      accepted: 2,
      duplicates: 0,
      rejected: 1,
      events: [
        { eventId: "e-1", ...accepted },
        { eventId: "e-2", status: "rejected", problem: rejected },
        { eventId: "e-3", ...accepted },
      ],
    }, { status: 207 });
  });
  const delays = await delaysOf(async () => {
    const answer = await cairn.sendEvents([click(1), click(2), click(3)]);
    assert.deepEqual([answer.accepted, answer.rejected], [3, 0]);
  });
  assert.deepEqual(bodies[1], [click(2)]);
  assert.deepEqual(delays, [5_001]);
});

Deno.test("a full queue, a closed client and an event that is no JSON are refused", async () => {
  const { cairn, bodies } = scripted(acceptAll, { queueEventsMax: 2, flushMs: 3_600_000 });
  cairn.track(click(1));
  assert.throws(() => cairn.track({ ...click(2), value: 1n as unknown as number }), TypeError);
  cairn.track(click(2));
  assert.throws(() => cairn.track(click(3)), CairnQueueError);
  await cairn.close();
  assert.throws(() => cairn.track(click(3)), CairnQueueError);
  assert.deepEqual(bodies, [[click(1), click(2)]]);
});

Deno.test("a callback for lost events that throws does not end the sending", async () => {
  const failures: unknown[] = [];
  const failure = new Error("callback");
  const { error } = console;
  console.error = (...line: unknown[]) => void failures.push(line[1]);
  const { cairn, bodies } = scripted(() => problem("unauthorized", 401), {
    batchEventsMax: 1,
    onLost: () => {
      throw failure;
    },
  });
  try {
    cairn.track(click(1));
    await cairn.flush();
    cairn.track(click(2));
    await cairn.close();
  } finally {
    console.error = error;
  }
  assert.deepEqual(bodies, [[click(1)], [click(2)]]);
  assert.deepEqual(failures, [failure, failure]);
});

Deno.test("tracked events are sent again more often than other requests", async () => {
  const lost: LostEvents[] = [];
  const { cairn, bodies } = scripted(() => problem("not-ready", 503), {
    backoffMs: 0,
    onLost: (entry) => lost.push(entry),
  });
  await assert.rejects(cairn.sendEvents([click(1)]), CairnProblemError);
  assert.equal(bodies.splice(0).length, 6);
  cairn.track(click(2));
  await cairn.close();
  assert.equal(bodies.length, 11);
  assert.deepEqual(lost.map(({ error }) => error.attempts), [11]);
});

Deno.test("each tracked event is accepted once or reported as lost, however requests fail", async () => {
  const outcome = fc.constantFrom("accepted", "busy", "gone", "lost", "refused");
  await fc.assert(
    fc.asyncProperty(
      fc.array(outcome, { maxLength: 30 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 7 }),
      async (outcomes, events, batchEventsMax) => {
        const accepted = new Set<string>();
        const lost: LostEvents[] = [];
        const { cairn } = scripted((body) => {
          const next = outcomes.shift() ?? "accepted";
          if (next === "busy") return problem("overloaded", 429);
          if (next === "refused") return problem("unauthorized", 401);
          if (next === "gone") throw new TypeError("connection refused");
          const results = (body as CairnEvent[]).map(({ eventId }): EventResult => {
            const id = eventId as string;
            const status = accepted.has(id) ? "duplicate" : "accepted";
            accepted.add(id);
            return { eventId: id, status, acceptedAtMs: 1 };
          });
          if (next === "lost") throw new TypeError("connection reset");
          return Response.json({ accepted: 0, duplicates: 0, rejected: 0, events: results });
        }, {
          batchEventsMax,
          trackRetriesMax: 2,
          backoffMs: 0,
          onLost: (entry) => lost.push(entry),
        });
        for (let n = 0; n < events; n++) cairn.track(click(n));
        await cairn.close();
        const reported = lost.flatMap((entry) => entry.events.map(({ eventId }) => eventId));
        assert.equal(new Set(reported).size, reported.length);
        assert.equal(new Set([...accepted, ...reported]).size, events);
        for (const { error } of lost) {
          // An event may be reported that the server has, only if its last answers were lost.
          if (error instanceof CairnProblemError) continue;
          assert.ok(error instanceof CairnUnreachableError);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("the client's types are those of the schemas", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", new URL("./types.ts", import.meta.url).pathname],
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
});

Deno.test("the client's types hold by the default compiler options, and by strict ones", async () => {
  const strict = {
    exactOptionalPropertyTypes: true,
    noImplicitOverride: true,
    noImplicitReturns: true,
    noPropertyAccessFromIndexSignature: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
  };
  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile(new URL("../../clients/cairn.ts", import.meta.url), `${folder}/cairn.ts`);
    for (const compilerOptions of [{}, strict]) {
      await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ compilerOptions }));
      const { success, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["check", "--quiet", "cairn.ts"],
        cwd: folder,
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
