import assert from "node:assert/strict";
import { Gateways } from "../../../cli/demo_mesh/gateways.ts";

const request = { user: "ann", candidates: [{ id: "a" }] };
const ranking = { rankingId: "r", modelVersion: 1, learnedThroughMs: 5, items: [] };

/** A gateway that answers rankings by a function. */
function serve(answer: (path: string) => Response, isReady = () => true) {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname !== "/health/ready") return answer(pathname);
      return new Response(null, { status: isReady() ? 200 : 503 });
    },
  );
  return { port: server.addr.port, shutdown: () => server.shutdown() };
}

const ranks = () => serve(() => Response.json(ranking));

Deno.test("rankings go to all gateways in turn, and around one that is killed", async () => {
  const paths: string[] = [];
  const [left, right] = [
    ranks(),
    serve((path) => {
      paths.push(path);
      return Response.json(ranking);
    }),
  ];
  const gateways = new Gateways(new Map([["left", left.port], ["right", right.port]]), () => {});
  for (let i = 0; i < 4; i++) assert.deepEqual(await gateways.rank(request), ranking);
  assert.equal(paths.length, 2);
  gateways.killed("left");
  await left.shutdown();
  for (let i = 0; i < 4; i++) await gateways.rank(request);
  assert.deepEqual(["left", "right"].map((host) => gateways.isLeftOut(host)), [true, false]);
  assert.equal(gateways.rankErrors, 0, "a kill may fail requests for a second");
  assert.equal(paths.filter((path) => path === "/v1/rank").length, 6);
  await gateways.close();
  await right.shutdown();
});

Deno.test("a gateway that is not ready gets no requests until it is", async () => {
  let isReady = true;
  const paths: string[] = [];
  const leaving = serve((path) => {
    paths.push(path);
    return Response.json(ranking);
  }, () => isReady);
  const other = ranks();
  const ports = new Map([["leaving", leaving.port], ["other", other.port]]);
  const gateways = new Gateways(ports, () => {});
  const until = async (isOut: boolean) => {
    while (gateways.isLeftOut("leaving") !== isOut) await new Promise((end) => setTimeout(end, 10));
  };
  const rankTwice = async () => {
    await gateways.rank(request);
    await gateways.rank(request);
  };
  isReady = false;
  await until(true);
  await rankTwice();
  assert.equal(paths.length, 0);
  isReady = true;
  await until(false);
  await rankTwice();
  assert.equal(paths.length, 1);
  await gateways.close();
  await leaving.shutdown();
  await other.shutdown();
});

Deno.test("a failed attempt without a kill is counted, and the request is sent again", async () => {
  let answers = 0;
  const flaky = serve(() =>
    answers++ === 0 ? new Response("busy", { status: 503 }) : Response.json(ranking)
  );
  const reasons: string[] = [];
  const gateways = new Gateways(
    new Map([["flaky", flaky.port]]),
    (reason) => void reasons.push(reason),
  );
  assert.deepEqual(await gateways.rank(request), ranking);
  assert.equal(gateways.rankErrors, 1);
  assert.deepEqual(reasons, ["Error: flaky answered /v1/rank with 503: busy"]);
  await gateways.close();
  await flaky.shutdown();
});

Deno.test("a refused request is an error at once", async () => {
  const strict = serve(() => new Response("no such field", { status: 422 }));
  const gateways = new Gateways(new Map([["strict", strict.port]]), () => {});
  await assert.rejects(
    gateways.rank(request),
    /strict answered \/v1\/rank with 422: no such field/,
  );
  await gateways.close();
  await strict.shutdown();
});
