/**
 * Removes undefined values. zod types an optional key as possibly undefined, and options must leave
 * such keys out.
 */
type Exact<T> = T extends unknown ?
    & {
      [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key];
    }
    & { [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined> }
  : never;

/** A copy of the map without undefined values. */
export function withoutUndefined<T extends object>(map: T): Exact<T> {
  const entries = Object.entries(map).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Exact<T>;
}
