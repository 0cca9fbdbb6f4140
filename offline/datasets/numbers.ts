/** Numbers in the cells of a table, as shops and spreadsheets write them. */

/** The sign before the decimals of a number. */
export type DecimalSign = "." | ",";

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

/** A sign or a code before or after an amount; a minus is before it or before its digits. */
const AMOUNT = /^([-+]?)(\p{L}{0,2}\p{Sc}|[A-Z]{3})?\s*([-+]?[\d.,].*?)\s*(\p{Sc}|[A-Z]{3})?$/u;

/** Digits in groups of three, and decimals, by the sign before these. */
const grouped: Readonly<Record<DecimalSign, RegExp>> = {
  ".": /^[-+]?\d{1,3}(?:[,'’\s]\d{3})+(?:\.\d+)?$/u,
  ",": /^[-+]?(?:\d+|\d{1,3}(?:[.'’\s]\d{3})+)(?:,\d+)?$/u,
};

/**
 * The number of a text, without its currency (`$3.50`, `3.50 EUR`); NaN if it is none.
 *
 * @param decimal Absent = a point, and a text is none whose comma may be either sign (`1,234`).
 */
export function numberOfText(text: string, decimal?: DecimalSign): number {
  const digits = withoutCurrency(text.trim());
  if (digits === "") return NaN;
  const plain = decimal === "," && /[.,]/.test(digits) ? NaN : Number(digits);
  if (!Number.isNaN(plain)) return plain;
  const isOpen = decimal === undefined && digits.includes(",") && !digits.includes(".");
  if (isOpen || !grouped[decimal ?? "."].test(digits)) return NaN;
  return Number(
    digits.replaceAll(decimal === "," ? /[.'’\s]/gu : /[,'’\s]/gu, "").replace(",", "."),
  );
}

/** The signs with which a text is a number that it is not without. */
export function decimalSignsOf(text: string): DecimalSign[] {
  return ([",", "."] as const).filter((sign) => Number.isFinite(numberOfText(text, sign)));
}

function withoutCurrency(text: string): string {
  const [, minus, before, digits, after] = AMOUNT.exec(text) ?? [];
  const isCurrency = (mark?: string) =>
    mark === undefined || /\p{Sc}/u.test(mark) || currencies.has(mark);
  return digits !== undefined && isCurrency(before) && isCurrency(after) ? minus + digits : text;
}
