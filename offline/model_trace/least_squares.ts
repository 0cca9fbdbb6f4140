/**
 * Least squares of a few unknowns.
 *
 * @see Marquardt, "An Algorithm for Least-Squares Estimation of Nonlinear Parameters", 1963
 */

const ITERATIONS_MAX = 40;
/**
 * No unknown moves by more at once: they are logarithms, and a far start must not end at infinity.
 */
const STEP_MAX = 2;
const DIFFERENCE = 1e-6;
/** An iteration that gains less than this share is the last. */
const GAIN_MIN = 1e-9;

/** Unknowns near `start` that make the sum of squared residuals small. */
export function leastSquares(
  residuals: (unknowns: readonly number[]) => Float64Array,
  start: readonly number[],
): number[] {
  let at = [...start], damping = 1e-3;
  let here = residuals(at), cost = dot(here, here);
  for (let iteration = 0; iteration < ITERATIONS_MAX; iteration++) {
    const slopes = at.map((_, k) => {
      const moved = residuals(at.map((value, i) => i === k ? value + DIFFERENCE : value));
      return moved.map((value, i) => (value - here[i]) / DIFFERENCE);
    });
    const normal = slopes.map((a) => slopes.map((b) => dot(a, b)));
    const descent = slopes.map((slope) => -dot(slope, here));
    const before = cost;
    while (damping < 1e9) {
      const damped = normal.map((row, i) =>
        row.map((value, j) => i === j ? value * (1 + damping) + Number.MIN_VALUE : value)
      );
      const step = solve(damped, descent).map((d) => Math.max(-STEP_MAX, Math.min(STEP_MAX, d)));
      const next = at.map((value, i) => value + step[i]);
      const there = residuals(next), nextCost = dot(there, there);
      if (nextCost < cost) {
        at = next;
        here = there;
        cost = nextCost;
        damping = Math.max(damping / 10, 1e-12);
        break;
      }
      damping *= 10;
    }
    if (!(before - cost > GAIN_MIN * before)) break;
  }
  return at;
}

/** Gaussian elimination with pivots; an unknown without influence stays where it is. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, i) => [...row, right[i]]);
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    }
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    if (Math.abs(rows[column][column]) < 1e-300) continue;
    for (let row = 0; row < n; row++) {
      if (row === column) continue;
      const factor = rows[row][column] / rows[column][column];
      for (let j = column; j <= n; j++) rows[row][j] -= factor * rows[column][j];
    }
  }
  return rows.map((row, i) => Math.abs(row[i]) < 1e-300 ? 0 : row[n] / row[i]);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return Number.isNaN(sum) ? Infinity : sum;
}
