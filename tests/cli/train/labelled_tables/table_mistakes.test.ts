/** Errors about a table, or about its options, say what to do. */
import assert from "node:assert/strict";
import { table, train, withFiles } from "./small_tables.ts";

const mistakes: readonly (readonly [name: string, args: readonly string[], message: RegExp])[] = [
  [
    "a label that is not there",
    ["--label-column=clicked"],
    /train\.csv:1: there is no column "clicked" for the label; its columns are label, site, app, weather/,
  ],
  ["a feature that is not there", ["--features=site,page"], /no column "page" for a feature/],
  [
    "a number that is no feature",
    ["--features=site,app", "--numeric=weather"],
    /the number "weather" is not among the named features/,
  ],
  [
    "a number beside configured features",
    ["--numeric=weather", "--config=movies.yaml"],
    /--numeric is for columns .*movies\.yaml configures features/,
  ],
  ["the label as a feature", ["--features=site,label"], /"label" cannot be a feature as well/],
  [
    "a test file without one of the columns",
    ["--eval=other.csv"],
    /other\.csv:1: there is no column "weather" for the feature; its columns are label, site, app\./,
  ],
  [
    "a validation file of one label",
    ["--valid=other.csv", "--features=site"],
    /Cannot use .*other\.csv: all 1 examples are positive, and it takes both; does the column label suit\?/,
  ],
  [
    "a configured id feature without a named column",
    ["--label-column=label", "--config=movies.yaml"],
    /the feature "user" is the id of a user, .* --user-column \(its columns are label, site, app, weather\)/,
  ],
  [
    "a name that two columns have",
    ["--path=twice.csv"],
    /twice\.csv:1: two columns are called "site"/,
  ],
  [
    "two columns that may be the label",
    ["--path=two_labels.csv"],
    /two_labels\.csv:1: the label may be click or label; .*: --label-column click --features site,app$/m,
  ],
  [
    "interactions that do not say what was done",
    ["--path=bought.csv"],
    /bought\.csv:1: no column is called like a label \(user, item, bought\); name it by --label-column/,
  ],
  [
    "a file without a header",
    ["--path=headless.csv"],
    /headless\.csv:1: its columns would be called 0, 7, 8, .*name the columns: --header label,c1,c2,c3$/m,
  ],
  [
    "a file without a header where a value is there twice",
    ["--path=headless_words.csv"],
    /two columns are called "a".* --header label,c1,c2$/m,
  ],
  [
    "a header that was typed with too few names",
    ["--path=headless.csv", "--header=label,site,app"],
    /headless\.csv:1: the row has 4 cells, and the header names 3 columns/,
  ],
  [
    "a header that was typed with a name twice",
    ["--path=headless.csv", "--header=label,site,app,site"],
    /--header <names>.* "site" is there twice; each column has a name of its own\./,
  ],
  [
    "another delimiter",
    ["--path=semicolons.csv"],
    /no column is called like .*\(label;site;app;weather\).* --label-column\. .*say --delimiter ';'/,
  ],
  [
    "a delimiter without a character",
    ["--path=semicolons.csv", "--delimiter="],
    /--delimiter <text>.* Give at least one character, such as ';'\./,
  ],
  [
    "blanks between the fields",
    ["--path=blanks.csv"],
    /no column is called like a label \(label site app weather\).*say --delimiter ' '/,
  ],
  [
    "a label that is no number",
    ["--path=words.csv"],
    /words\.csv:2: the label \(column label\) is "yes", expected a number such as 0 or 1, true or false/,
  ],
  [
    "a validation file that is not there",
    ["--valid=none.csv"],
    /none\.csv: there is no such file/,
  ],
  ["patience without a validation file", ["--patience=2"], /--patience needs a validation file/],
  ...["--path", "--valid", "--eval"].map((option) =>
    [
      `a file without rows for ${option}`,
      [`${option}=header.csv`],
      /header\.csv: it has no examples\./,
    ] as const
  ),
  [
    "a label of 1 and 2",
    ["--path=one_two.csv"],
    /all 2 examples are positive, .*0\.5 or more is positive .*--label-at-least/,
  ],
];

for (const [name, args, message] of mistakes) {
  Deno.test(`${name} is told with what to do`, async () => {
    const files = {
      "train.csv": table(20, 1),
      "other.csv": "label,site,app\n1,s1,a1\n",
      "twice.csv": "label,site,site\n1,s1,a1\n",
      "semicolons.csv": table(20, 1).replaceAll(",", ";"),
      "blanks.csv": table(20, 1).replaceAll(",", " "),
      "two_labels.csv": "click,site,app,label\n1,s1,a1,0\n0,s1,a1,1\n",
      "bought.csv": "user,item,bought\nu,i,1\nv,i,0\n",
      "headless.csv": "0,7,8,9\n1,7,8,9\n",
      "headless_words.csv": "0,a,a\n1,a,b\n",
      "words.csv": "label,site\nyes,s1\n",
      "header.csv": "label,site,app,weather\n",
      "one_two.csv": "label,site\n2,s1\n1,s2\n2,s1\n",
      "movies.yaml": await Deno.readTextFile("examples/movies.yaml"),
    };
    await withFiles(files, async (folder) => {
      const placed = args.map((arg) => arg.replace(/(?<==)(?=\w+\.(csv|yaml)$)/, `${folder}/`));
      const { code, err } = await train(`--path=${folder}/train.csv`, ...placed, "--json");
      assert.notEqual(code, 0);
      assert.match(err, message);
    });
  });
}

Deno.test("features without a label ask for its name", async () => {
  await withFiles({ "train.csv": "a,b,c\n1,2,3\n" }, async (folder) => {
    const { code, err } = await train(`--path=${folder}/train.csv`, "--features=b");
    assert.notEqual(code, 0);
    assert.match(
      err,
      /train\.csv:1: no column is called like a label \(a, b, c\); name it by --label-column/,
    );
  });
});
