/**
 * Arrays that are used again from call to call: a larger one is made, twice as long as asked for,
 * only when the one at hand is too short. The garbage collector then sees one array in place of one
 * per call.
 */

/** An array of numbers of 32 bits over memory of its own. */
export type WordArray = Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/**
 * `array`, or one twice as long as `length` where `array` is shorter than `length`. The contents
 * are undefined.
 *
 * @example
 * ```ts
 * import { scratchArray } from "./scratch_array.ts";
 *
 * const small = new Uint32Array(4);
 * console.assert(scratchArray(small, 3) === small);
 * console.assert(scratchArray(small, 5).length === 10);
 * ```
 */
export function scratchArray<A extends WordArray>(array: A, length: number): A {
  return array.length < length ? create(array, 2 * length) : array;
}

/** As {@link scratchArray}, with zeros in the first `length` elements. */
export function zeroedArray<A extends WordArray>(array: A, length: number): A {
  if (array.length < length) return create(array, 2 * length);
  array.fill(0, 0, length);
  return array;
}

/** As {@link scratchArray}, with the contents of `array` copied into a larger one. */
export function grownArray<A extends WordArray>(array: A, length: number): A {
  if (array.length >= length) return array;
  const larger = create(array, 2 * length);
  larger.set(array);
  return larger;
}

function create<A extends WordArray>(like: A, length: number): A {
  return (like instanceof Float32Array ? new Float32Array(length) : new Uint32Array(length)) as A;
}
