/**
 * Checks attributes by hand. A schema of unions makes five issues for each wrong value, and checks
 * every entry before it counts them: 560 kB of wrong attributes took a second. Here the count comes
 * first, and the check stops at the number of issues that the caller asks for.
 */

export const ATTRIBUTES_MAX = 256;
export const TEXT_CHARACTERS_MAX = 4096;
export const LIST_ENTRIES_MAX = 1000;

const namePattern = /^[^\p{Cc}\p{Cs}]{1,128}$/u;

const sendAttributes = 'send an object of attribute names and values, like {"category": "kitchen"}';
const sendCount = `send at most ${ATTRIBUTES_MAX} attributes`;
const sendName = "send attribute names of 1 to 128 characters, other than __proto__";
const sendValue = "send text, a finite number, true, false, null, or a list of texts";
const sendText = `send at most ${TEXT_CHARACTERS_MAX} characters of well-formed Unicode`;
const sendEntries = `send at most ${LIST_ENTRIES_MAX} texts`;
const sendNumber = "send a number within ±3.4e38, the range of float32";

export interface AttributeIssue {
  /** The attribute; absent for an issue of all attributes. */
  readonly name?: string;
  /** Replaces the description of the value, for an issue of the name. */
  readonly found?: string;
  readonly message: string;
}

/**
 * The first issues of a value that should be attributes; empty for valid attributes.
 *
 * @param issuesMax From 1.
 */
export function attributeIssues(attributes: unknown, issuesMax: number): AttributeIssue[] {
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
    return [{ message: sendAttributes }];
  }
  const names = Object.keys(attributes);
  if (names.length > ATTRIBUTES_MAX) return [{ message: sendCount }];
  const issues: AttributeIssue[] = [];
  for (const name of names) {
    if (!isName(name)) {
      const found = `has a name of ${name.length} characters`;
      issues.push({ name, found, message: sendName });
    }
    const message = valueIssue((attributes as Record<string, unknown>)[name]);
    if (message !== undefined) issues.push({ name, message });
    if (issues.length >= issuesMax) break;
  }
  return issues;
}

/** `__proto__` is refused, because assigning it to an object would change the prototype. */
function isName(name: string): boolean {
  return name !== "__proto__" && namePattern.test(name);
}

/** The correction for a wrong value; undefined for a valid one. */
function valueIssue(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return isText(value) ? undefined : sendText;
    case "number":
      if (isFloat32(value)) return undefined;
      return Number.isFinite(value) ? sendNumber : sendValue;
    case "boolean":
      return undefined;
    default:
      if (value === null) return undefined;
      return Array.isArray(value) ? listIssue(value) : sendValue;
  }
}

function listIssue(list: readonly unknown[]): string | undefined {
  if (list.length > LIST_ENTRIES_MAX) return sendEntries;
  for (const entry of list) {
    if (typeof entry !== "string") return sendValue;
    if (!isText(entry)) return sendText;
  }
  return undefined;
}

/** Features hash UTF-8, which lone surrogates do not have. */
function isText(text: string): boolean {
  return hasCharactersMax(text) && text.isWellFormed();
}

/** A character takes one or two UTF-16 units. */
function hasCharactersMax(text: string): boolean {
  if (text.length <= TEXT_CHARACTERS_MAX) return true;
  if (text.length > 2 * TEXT_CHARACTERS_MAX) return false;
  let characters = 0;
  for (const _ of text) characters++;
  return characters <= TEXT_CHARACTERS_MAX;
}

/** Whether a number is finite as float32, the type of the model's inputs and labels. */
export function isFloat32(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}
