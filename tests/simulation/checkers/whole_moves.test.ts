import assert from "node:assert/strict";
import { HostGoneError, RowsMissingError } from "../../../mesh/ports/coordination_errors.ts";
import { wholeMoves } from "../../../simulation/checkers/whole_moves.ts";

function watch() {
  const failures: string[] = [];
  const checker = wholeMoves({ nowMs: () => 0, fail: (message) => failures.push(message) });
  return { failures, checker };
}

Deno.test("a host that lacks the rows of a move has lost them, one whose lease expired has not", () => {
  const { failures, checker } = watch();
  checker.hostRemoved?.("a", new HostGoneError({ host: "a", incarnation: "a-1" }, undefined));
  assert.deepEqual(failures, []);
  checker.hostRemoved?.("a", new RowsMissingError(3, 7));
  assert.match(failures[0], /^a: Shard 3 .* has no rows of epoch 7/);
});

Deno.test("a host may lack rows after a failover", () => {
  const { failures, checker } = watch();
  checker.redisLost?.();
  checker.hostRemoved?.("a", new RowsMissingError(3, 7));
  assert.deepEqual(failures, []);
});
