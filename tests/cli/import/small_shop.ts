/**
 * A small made-up shop: customers that buy from the shelf that they like, and return a little.
 */
import { uniformAt } from "../../../kernels/dense/counter_random.ts";

export const shopHeader =
  "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID";

export interface SmallShopOptions {
  readonly invoices: number;
  readonly customers?: number;
  /** Shelves of 20 products each; a customer likes one of them. Default 5. */
  readonly shelves?: number;
}

/** Order lines by time, one invoice an hour from 2024-01-01 on, without the header. */
export function smallShopLines(
  { invoices, customers = 60, shelves = 5 }: SmallShopOptions,
): string[] {
  const lines: string[] = [];
  let draws = 0;
  const below = (end: number) => Math.floor(uniformAt(7, draws++) * end);
  for (let invoice = 0; invoice < invoices; invoice++) {
    const customer = below(customers);
    const at = new Date(Date.UTC(2024, 0, 1) + invoice * 3_600_000).toISOString();
    const bought = new Set<number>();
    for (let i = 0; i <= below(4); i++) {
      // Nine of ten are of the liked shelf.
      const shelf = below(10) === 0 ? below(shelves) : customer % shelves;
      bought.add(20 * shelf + below(20));
    }
    for (const item of bought) {
      const words = `thing ${item} shelf${Math.floor(item / 20)}`;
      const quantity = below(25) === 0 ? -1 : 1 + below(5);
      lines.push(`${invoice},p${item},${words},${quantity},${at},${1 + item % 9}.5,c${customer}`);
    }
  }
  return lines;
}

/** The options with which `cairn import` reads the lines. */
export const shopMapping = [
  "--action=purchase",
  "--map=UnitPrice=item.price",
  "--map=Description=item.words",
  "--split=Description= ",
];
