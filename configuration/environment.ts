/**
 * Replaces values of the form `${NAME}` by environment variables, so that secrets need not be in
 * the file.
 */
import type { ConfigurationPath, Finding } from "./problems.ts";
import type { EnvironmentValue } from "./secrets.ts";

/** Returns the value of an environment variable; undefined = not set. */
export type ReadEnvironment = (name: string) => string | undefined;

/**
 * Replaces `${NAME}` texts.
 *
 * @returns The value, the texts that replaced others, and one finding per variable that is not set.
 */
export function withEnvironment(
  value: unknown,
  read: ReadEnvironment,
): {
  readonly value: unknown;
  readonly texts: readonly EnvironmentValue[];
  readonly findings: readonly Finding[];
} {
  const findings: Finding[] = [];
  const texts: EnvironmentValue[] = [];
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
    if (found !== undefined) texts.push({ path, text: found });
    return found ?? value;
  };
  return { value: replaced(value, []), texts, findings };
}
