/** The best of three runs, after one that warms up, ms. */
export async function bestMs(run: () => Promise<void>): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 4; i++) {
    const beganMs = performance.now();
    await run();
    if (i > 0) best = Math.min(best, performance.now() - beganMs);
  }
  return best;
}
