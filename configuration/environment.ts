/**
 * Secrets do not belong in a file that is kept under version control: a text of the form `${NAME}` is taken from the
 * environment instead.
 */
import type { Finding } from "./expectations.ts";
import type { ConfigurationPath } from "./problems.ts";

/** The value of an environment variable; undefined where it is not set. */
export type ReadEnvironment = (name: string) => string | undefined;

/** The value with its `${NAME}` texts replaced, and a finding for each variable that is not set. */
export function withEnvironment(
  value: unknown,
  read: ReadEnvironment,
): { readonly value: unknown; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const replaced = (value: unknown, path: ConfigurationPath): unknown => {
    if (Array.isArray(value)) return value.map((element, i) => replaced(element, [...path, i]));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([key, element]) => [key, replaced(element, [...path, key])]),
      );
    }
    const name = typeof value === "string" ? /^\$\{(\w+)\}$/.exec(value)?.[1] : undefined;
    if (name === undefined) return value;
    const found = read(name);
    if (found === undefined) {
      findings.push({
        path,
        message: `the environment variable ${name} is not set; set it, or write the value here`,
      });
    }
    return found ?? value;
  };
  return { value: replaced(value, []), findings };
}
