/**
 * Checks of promises that the code makes to itself. They are always on: a broken promise crashes
 * the actor where it broke, to its supervisor, instead of spreading wrong state.
 *
 * Input from outside (a request, a file, a configuration) is never checked here; it gets a typed
 * error.
 */

/** A promise of the code itself does not hold: a defect of this program, not of its input. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/**
 * Throws unless `condition` holds.
 *
 * @param message The promise as a sentence: "a delta follows the one before it". On a hot path pass
 * a constant: a template is built also where the promise holds.
 * @throws {InvariantError} When `condition` is false.
 *
 * @example
 * ```ts
 * import { invariant } from "./invariant.ts";
 *
 * function pop(stack: number[]): number {
 *   const top = stack.pop();
 *   invariant(top !== undefined, "the stack has an entry");
 *   return top;
 * }
 * ```
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(`Broken invariant: ${message}`);
}

/**
 * The value, which is there by a promise of the code: in place of a non-null assertion.
 *
 * @param message The promise as a sentence.
 * @throws {InvariantError} When it is missing.
 */
export function present<T>(value: T | null | undefined, message: string): T {
  invariant(value !== undefined && value !== null, message);
  return value;
}
