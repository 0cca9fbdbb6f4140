import assert from "node:assert/strict";
import type { RoleFigures, SizeFigures } from "../../scripts/scale_of_hosts.ts";
import { rolesChart } from "../../scripts/scale_chart.ts";

const size = (hosts: number, roles: Readonly<Record<string, RoleFigures>>): SizeFigures => ({
  hosts,
  rankings: 1,
  redisCommands: 1,
  roles,
});

Deno.test("a chart has no wrong number where little was counted", () => {
  const alone = { hosts: 1, messages: 10, bytes: undefined };
  const quiet = { hosts: 1, messages: 0, bytes: 2_000 };
  const charts = [
    rolesChart([size(1, { serving: alone })]),
    rolesChart([size(4, { serving: alone, sync: quiet })]),
    rolesChart([size(1, { serving: quiet }), size(4, { serving: alone })]),
  ];
  for (const chart of charts) assert.doesNotMatch(chart, /NaN|Infinity/);
  assert.match(charts[0], /other.*: not counted/);
});
