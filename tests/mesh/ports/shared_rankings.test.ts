import assert from "node:assert/strict";
import { RankingsAwaitedError } from "../../../mesh/ports/shared_rankings.ts";

Deno.test("the default retries of a client outlast the wait for rankings, where none is too long for it", () => {
  const retryAfterOf = (awaitedMs: number) =>
    new RankingsAwaitedError("the rankings", awaitedMs).retryAfterSeconds;
  assert.deepEqual([3_000, 20_000, 21_000, 150_000, 1_200_000].map(retryAfterOf), [
    1,
    4,
    5,
    30,
    30,
  ]);
});
