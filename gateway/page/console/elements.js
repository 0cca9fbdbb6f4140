/** Elements of the page. */
export const find = (selector) => document.querySelector(selector);

export function element(name, properties = {}, ...children) {
  const { className, ...attributes } = properties;
  const made = document.createElement(name);
  if (className) made.className = className;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The nodes of a text with commands between back-quotes. */
export const withCode = (text) =>
  text.split("`").map((part, i) => i % 2 === 1 ? element("code", {}, part) : part);

export const cell = (text, className) => element("td", className ? { className } : {}, text);

export function fillTable(selector, rows, empty) {
  const body = find(`${selector} tbody`);
  const columns = find(`${selector} thead tr`).children.length;
  body.replaceChildren(
    ...(rows.length > 0
      ? rows
      : [element("tr", {}, element("td", { colspan: columns, className: "quiet" }, empty))]),
  );
}

/** The header with the API key that the user typed. */
export function keyHeaders() {
  const key = find("#key").value;
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

/** The answer to a reader whose key was refused: the server's own is for programs. */
export function keyAdvice() {
  return find("#key").value === ""
    ? "Type one of the API keys that gateway.apiKeys lists."
    : "The API key is not one that gateway.apiKeys lists.";
}
