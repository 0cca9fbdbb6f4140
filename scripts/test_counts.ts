/**
 * Reads the numbers of passed and failed tests from the reports of the test runners.
 */

/** Tests by outcome. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The counts of a runner that ran nothing. */
export const noCounts: Counts = { passed: 0, failed: 0, skipped: 0 };

/** Adds two runners' counts. */
export function sumCounts(a: Counts, b: Counts): Counts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

/** Counts a JUnit report as Deno writes it; an empty report (the runner died) counts nothing. */
export function countJunit(xml: string): Counts {
  let [tests, failed, skipped] = [0, 0, 0];
  for (const [, attributes] of xml.matchAll(/<testsuite ([^>]*)>/g)) {
    const read = (name: string) =>
      Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0);
    tests += read("tests");
    failed += read("failures") + read("errors");
    skipped += read("disabled");
  }
  return { passed: tests - failed - skipped, failed, skipped };
}

/** Sums the closing lines of `cargo test`, one for each test binary. */
export function countCargo(text: string): Counts {
  const closing = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/gm;
  return [...text.matchAll(closing)].map(([, passed, failed, skipped]): Counts => ({
    passed: Number(passed),
    failed: Number(failed),
    skipped: Number(skipped),
  })).reduce(sumCounts, noCounts);
}
