/** JSON as text for people. */

/** Indented JSON. A value that fits on one line is not broken. */
export function pretty(value, indent = "") {
  const line = JSON.stringify(value);
  if (typeof value !== "object" || value === null || line.length + indent.length <= 76) {
    return spaced(value);
  }
  const inner = indent + "  ";
  const list = Array.isArray(value);
  const parts = list
    ? value.map((each) => inner + pretty(each, inner))
    : Object.entries(value).map(([name, each]) =>
      `${inner}${JSON.stringify(name)}: ${pretty(each, inner)}`
    );
  return `${list ? "[" : "{"}\n${parts.join(",\n")}\n${indent}${list ? "]" : "}"}`;
}

/** JSON on one line, with spaces after commas and colons and inside braces. */
function spaced(value) {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const parts = Object.entries(value).map(([name, each]) =>
    `${JSON.stringify(name)}: ${spaced(each)}`
  );
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}
