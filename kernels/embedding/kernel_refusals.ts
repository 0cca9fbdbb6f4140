/** Statuses by which the kernel refuses a call, as errors. See ABI.md, "Conventions". */

/** The export behind a buffer: makes it `length` elements long and returns its address, 0 = no. */
export type Reserve = (length: number) => number;

const REFUSALS: Readonly<Record<number, string>> = {
  [-1]: "this instance holds no table of this kind",
  [-2]: "a length is out of range",
  [-3]: "a code or value is out of range",
  [-4]: "the memory limit is too small for it, or the host has no more memory",
  [-5]: "consumers are numbered from 0 to 3, and begin before they take",
  [-6]: "the acknowledged sequence is behind one acknowledged before, or was never given",
  [-7]: "no snapshot is under way, or updates outran it and it must begin anew",
  [-8]: "the checksum does not match: the bytes are not those that were written",
  [-9]: "buffer lengths do not fit the shape",
  [-10]: "offsets must ascend, stay inside their buffer and be of whole examples",
  [-11]: "an index points past the unique rows",
  [-12]: "the plan does not fit its rows or leaves a gap in an input",
  [-13]: "slots must be at most 32,767",
  [-14]: "group starts must ascend and be of whole shards",
  [-15]: "an id's row is of another class than its slot's: the ids were made under another schema",
};

const REFUSED_OPTIONS = -1000;

/**
 * Returns a status of 0 or more; throws for a refusal.
 *
 * @param action Completes "Cannot …" in the error.
 * @throws {RangeError} When the kernel refused the call.
 */
export function requireAccepted(action: string, status: number): number {
  if (status >= 0) return status;
  const reason = status <= REFUSED_OPTIONS
    ? `word ${REFUSED_OPTIONS - status} of the encoded options is out of range`
    : REFUSALS[status] ?? `status ${status}`;
  throw new RangeError(`Cannot ${action}: ${reason}`);
}

/**
 * Reserves a buffer in the kernel's memory and returns its address. All views of that memory may
 * have died.
 *
 * @throws {RangeError} When there is no memory for it.
 */
export function reserveBuffer(action: string, reserve: Reserve, length: number): number {
  // Addresses above 2 GB come as negative numbers.
  const address = reserve(length) >>> 0;
  if (address !== 0) return address;
  throw new RangeError(`Cannot ${action}: no memory for ${length} elements; use smaller batches`);
}
