import assert from "node:assert/strict";
import { decimalSignsOf, numberOfText } from "../../../offline/datasets/numbers.ts";

Deno.test("a number is read without its currency and its groups of digits", () => {
  const numbers = {
    "3.50": 3.5,
    " -2 ": -2,
    "1e3": 1000,
    ".5": 0.5,
    "$3.50": 3.5,
    "US$ 3.50": 3.5,
    "-€3": -3,
    "$-3": -3,
    "3.50 EUR": 3.5,
    "CHF 1'234.50": 1234.5,
    "1,234.50": 1234.5,
    "$1,234,567.00": 1234567,
    "1 234": 1234,
    "1\u202f234\u00a0€": 1234,
  };
  for (const [text, number] of Object.entries(numbers)) {
    assert.equal(numberOfText(text), number, text);
  }
});

Deno.test("other texts are no numbers", () => {
  for (
    const text of ["", " ", "cheap", "$", "3.50 PCS", "3.50 each", "1,23,4.5", "EUR", "3-4", "--3"]
  ) {
    assert.ok(Number.isNaN(numberOfText(text)), text);
    assert.deepEqual(decimalSignsOf(text), [], text);
  }
});

Deno.test("a comma alone may be either sign, and a typed sign decides", () => {
  assert.ok(Number.isNaN(numberOfText("3,50")) && Number.isNaN(numberOfText("1,234")));
  assert.deepEqual(decimalSignsOf("3,50 €"), [","]);
  assert.deepEqual(decimalSignsOf("1.234,50"), [","]);
  assert.deepEqual(decimalSignsOf("1,234"), [",", "."]);
  const byComma = {
    "3,50 €": 3.5,
    "1.234,50": 1234.5,
    "1.234": 1234,
    "-12": -12,
    "1 234,5": 1234.5,
  };
  for (const [text, number] of Object.entries(byComma)) {
    assert.equal(numberOfText(text, ","), number);
  }
  assert.ok(Number.isNaN(numberOfText("3.50", ",")));
  assert.equal(numberOfText("1,234", "."), 1234);
  assert.equal(numberOfText("3.50", "."), 3.5);
});
