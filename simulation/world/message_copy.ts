/**
 * Copies a message as a link between threads does: structured cloning, several times faster for
 * plain objects, arrays and typed arrays, of which messages consist. Everything else is left to the
 * engine's own `structuredClone`.
 */

/** Something in the message needs the engine's own algorithm. */
class NotPlain extends Error {}

/** The copy; transferred buffers are moved, and detached at the sender. */
export function messageCopy<T>(value: T, transfer: readonly Transferable[] = []): T {
  const buffers = new Map<ArrayBufferLike, ArrayBuffer>();
  let copy: T;
  try {
    // Moved at the end: the engine's algorithm may still have to move them.
    for (const moved of transfer) {
      if (!(moved instanceof ArrayBuffer) || moved.resizable || moved.detached) {
        throw new NotPlain();
      }
    }
    copy = copied(value, buffers, 0) as T;
  } catch (error) {
    if (!(error instanceof NotPlain)) throw error;
    return structuredClone(value, { transfer: [...transfer] });
  }
  for (const moved of transfer as readonly ArrayBuffer[]) moved.transfer();
  return copy;
}

/** Deeper messages may be cyclic. */
const DEPTH_MAX = 32;

function copied(
  value: unknown,
  buffers: Map<ArrayBufferLike, ArrayBuffer>,
  depth: number,
): unknown {
  if (typeof value === "function" || typeof value === "symbol") throw new NotPlain();
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) throw new NotPlain();
  if (ArrayBuffer.isView(value)) return viewCopied(value, buffers);
  if (Array.isArray(value)) {
    const array = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) {
      if (!(i in value)) throw new NotPlain();
      array[i] = copied(value[i], buffers, depth + 1);
    }
    if (Object.keys(value).length !== value.length) throw new NotPlain();
    return array;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new NotPlain();
  const object: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw new NotPlain();
    object[key] = copied((value as Record<string, unknown>)[key], buffers, depth + 1);
  }
  return object;
}

/** Views of one buffer stay views of one buffer. */
function viewCopied(
  view: ArrayBufferView,
  buffers: Map<ArrayBufferLike, ArrayBuffer>,
): ArrayBufferView {
  const { buffer, byteOffset } = view;
  if (!(buffer instanceof ArrayBuffer) || buffer.resizable || buffer.detached) throw new NotPlain();
  const View = view.constructor as new (
    buffer: ArrayBuffer,
    byteOffset: number,
    length: number,
  ) => ArrayBufferView;
  if (!plainViews.has(View)) throw new NotPlain();
  let copy = buffers.get(buffer);
  if (copy === undefined) buffers.set(buffer, copy = buffer.slice(0));
  return new View(copy, byteOffset, (view as Uint8Array).length);
}

const plainViews: ReadonlySet<unknown> = new Set([
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]);
