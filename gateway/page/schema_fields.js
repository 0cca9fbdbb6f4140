/** The fields of a schema of the API description, for a table. */

/**
 * Rows of field, type and meaning; objects and lists of objects are walked into.
 *
 * @param reference A schema, or a `$ref` to one.
 * @param api The OpenAPI document.
 */
export function* fieldsOf(reference, api, prefix = "") {
  const schema = resolve(reference, api);
  if (schema.anyOf) return yield* fieldsOf(schema.anyOf[0], api, prefix);
  if (schema.items) return yield* fieldsOf(schema.items, api, `${prefix}[].`);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const field = resolve(property, api);
    const needed = schema.required?.includes(name) ? "" : "?";
    yield [
      prefix + name + needed,
      typeOf(field, api),
      property.description ?? field.description ?? "",
    ];
    if (field.items) yield* fieldsOf(field.items, api, `${prefix}${name}[].`);
  }
}

function typeOf(schema, api) {
  if (schema.anyOf) return schema.anyOf.map((each) => typeOf(resolve(each, api), api)).join(" or ");
  if (schema.type === "array") {
    const bounds = schema.maxItems ? ` of ${schema.minItems ?? 0} to ${schema.maxItems}` : "";
    return `list${bounds}`;
  }
  if (schema.type === "integer" && schema.minimum !== undefined) {
    return `integer, ${schema.minimum} to ${schema.maximum}`;
  }
  return schema.format ?? schema.type ?? "any";
}

function resolve(schema, api) {
  if (!schema.$ref) return schema;
  return schema.$ref.slice(2).split("/").reduce((at, name) => at[name], api);
}
