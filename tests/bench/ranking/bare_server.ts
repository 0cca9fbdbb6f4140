/**
 * The least that a ranking over HTTP costs: the same JSON in and out through Hono, with scores made
 * up and nothing between. Prints its URL as one line; ends when its standard input does.
 */
import { Hono } from "hono";

interface Body {
  readonly candidates: readonly { readonly id: string }[];
}

const app = new Hono();
app.post("/v1/rank", async (context) => {
  const { candidates } = await context.req.json<Body>();
  return context.json({
    rankingId: crypto.randomUUID(),
    modelVersion: 1,
    learnedThroughMs: performance.timeOrigin + performance.now(),
    items: candidates.map(({ id }) => ({ id, score: Math.fround(Math.random()), cold: false })),
  });
});
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
console.log(`http://127.0.0.1:${server.addr.port}`);
for await (const _ of Deno.stdin.readable) { /* until the parent closes it */ }
Deno.exit();
