/**
 * zod gives `undefined` for optional keys that a parsed map lacks in its types; options here leave such keys out.
 */
type Exact<T> = T extends unknown ?
    & {
      [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key];
    }
    & { [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined> }
  : never;

/** The same map without its undefined values. */
export function withoutUndefined<T extends object>(map: T): Exact<T> {
  const entries = Object.entries(map).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Exact<T>;
}
