import assert from "node:assert/strict";
import { countCargo, countJunit, noCounts, sumCounts } from "../../scripts/test_counts.ts";

Deno.test("a JUnit report counts steps, failures and ignored tests over all its suites", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="6" failures="1" errors="0" time="0.010">
    <testsuite name="./a.test.ts" tests="4" disabled="1" errors="0" failures="1">
        <testcase name="a tests=&quot;9&quot;" classname="x"></testcase>
    </testsuite>
    <testsuite name="./b.test.ts" tests="2" disabled="0" errors="0" failures="0"></testsuite>
</testsuites>`;
  assert.deepEqual(countJunit(xml), { passed: 4, failed: 1, skipped: 1 });
});

Deno.test("a runner that died before it wrote its report counts nothing", () => {
  assert.deepEqual(countJunit(""), noCounts);
  assert.deepEqual(countCargo("error: could not compile"), noCounts);
});

Deno.test("cargo's closing lines are summed over its binaries", () => {
  const text = [
    "running 3 tests",
    "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
    "said by a test: test result: ok. 100 passed; 0 failed; 0 ignored;",
    "test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
  ].join("\n");
  assert.deepEqual(countCargo(text), { passed: 4, failed: 2, skipped: 1 });
});

Deno.test("counts add up", () => {
  const one = { passed: 1, failed: 2, skipped: 3 };
  assert.deepEqual(sumCounts(one, one), { passed: 2, failed: 4, skipped: 6 });
});
