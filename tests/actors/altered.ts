/**
 * An object with some members replaced: how a test puts a fault between two parts without
 * rebuilding either.
 */
export function altered<T extends object>(owner: T, changes: Partial<T>): T {
  return new Proxy(owner, {
    get: (target, name) => {
      if (name in changes) return Reflect.get(changes, name);
      const member = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
