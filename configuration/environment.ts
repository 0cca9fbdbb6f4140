/**
 * Replaces values of the form `${NAME}` by environment variables, so that secrets need not be in
 * the file.
 */
import type { Finding } from "./expectations.ts";
import type { ConfigurationPath } from "./problems.ts";

/** Returns the value of an environment variable; undefined = not set. */
export type ReadEnvironment = (name: string) => string | undefined;

/** The value with its `${NAME}` texts replaced, and one finding per variable that is not set. */
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
