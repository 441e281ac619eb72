/**
 * Every validation of a source file, found in its syntax tree: each is an expression that can be
 * taken away by putting something else in its place.
 *
 * | where                                        | in its place                     |
 * | -------------------------------------------- | -------------------------------- |
 * | an `if` that leaves: returns, breaks, throws | `false`; `true` if it may accept |
 * | an `if` around something                     | `true`                           |
 * | a loop's bound                               | `true`                           |
 * | an operand of `&&`, wherever it stands       | `true`                           |
 * | an operand of `\|\|`                         | `false`                          |
 * | a comparison that is a value or picks one    | `true`, `false`                  |
 * | `Math.min` and `Math.max` of two             | the one, the other               |
 *
 * @module
 */
import { parse } from "@babel/parser";

/** What a validation is replaced with. */
export interface Point {
  /** Relative to the project. */
  readonly file: string;
  readonly line: number;
  /** Says which it is, whatever is added above it: `function: expression → replacement`. */
  readonly key: string;
  /** Offsets in the source. */
  readonly start: number;
  /** See {@linkcode Point.start}. */
  readonly end: number;
  /** What stands there instead. */
  readonly to: string;
}

/** A node of the tree, of any type. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: { readonly line: number } };
  readonly [field: string]: unknown;
}

/** A loop's body, which is to be counted. */
export interface Loop {
  /** Offsets of the body. */
  readonly start: number;
  /** See {@linkcode Loop.start}. */
  readonly end: number;
  /** Whether it has braces. */
  readonly block: boolean;
}

/** What is in a file. */
export interface Found {
  readonly points: readonly Point[];
  readonly loops: readonly Loop[];
}

const FUNCTIONS = /^(?:Function|Arrow|Object.?Method|Class.*Method)/;
const COMPARISONS = ["<", ">", "<=", ">=", "===", "!=="];
/** Types that wrap an expression; all other types of TypeScript are no code. */
const WRAPS = ["TSNonNullExpression", "TSAsExpression", "TSSatisfiesExpression"];
/** A name as long as this says enough. */
const TEXT_MAX = 90;

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function nodeOf(node: Node, field: string): Node | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}

function nodesOf(node: Node): Node[] {
  return Object.entries(node).filter(([field]) => !/[cC]omments$/.test(field))
    .flatMap(([, value]) => Array.isArray(value) ? value : [value]).filter(isNode);
}

function isLogical(node: Node): boolean {
  return node.type === "LogicalExpression" && node.operator !== "??";
}

function isComparison(node: Node | undefined): node is Node {
  return (node?.type === "BinaryExpression" && COMPARISONS.includes(String(node.operator))) ||
    (node?.type === "UnaryExpression" && node.operator === "!");
}

/** The statement with which a branch leaves, if it does. */
function leaving(branch: Node | undefined): Node | undefined {
  const body = branch?.type === "BlockStatement" ? branch.body : [branch];
  const last = Array.isArray(body) ? body.at(-1) : undefined;
  return isNode(last) && /^(Return|Throw|Break|Continue)Statement$/.test(last.type)
    ? last
    : undefined;
}

/** Whether what is returned may say that all is well. */
function mayAccept(statement: Node): boolean {
  const value = nodeOf(statement, "argument");
  if (statement.type !== "ReturnStatement" || value === undefined) return false;
  const refuses = value.type === "CallExpression" &&
    /^(fail|bad|refuse|ends|failed|endsIf|reply)$/.test(String(nodeOf(value, "callee")?.name));
  const said = value.type === "ObjectExpression" || value.type === "UnaryExpression" ||
    (value.type === "BooleanLiteral" && value.value === false) ||
    (value.type === "Identifier" && /BAD|NOT_|MORE/.test(String(value.name)));
  return !refuses && !said;
}

class Finder {
  readonly points: Point[] = [];
  readonly loops: Loop[] = [];
  readonly #file: string;
  readonly #source: string;
  readonly #keys = new Map<string, number>();

  constructor(file: string, source: string) {
    this.#file = file;
    this.#source = source;
  }

  #add(node: Node, to: string, scope: string): void {
    const text = this.#source.slice(node.start, node.end).replace(/\s+/g, " ");
    const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
    const key = `${scope}: ${short} → ${to}`;
    const times = (this.#keys.get(key) ?? 0) + 1;
    this.#keys.set(key, times);
    this.points.push({
      ...{ file: this.#file, line: node.loc.start.line, start: node.start, end: node.end, to },
      key: times === 1 ? key : `${key} #${times}`,
    });
  }

  /** Each operand of a chain of && or ||. */
  #operands(node: Node, scope: string): void {
    const parts = [nodeOf(node, "left"), nodeOf(node, "right")];
    for (const part of parts) {
      if (!part) continue;
      if (isLogical(part) && part.operator === node.operator) this.#operands(part, scope);
      else this.#add(part, node.operator === "&&" ? "true" : "false", scope);
    }
  }

  #if(node: Node, scope: string): void {
    const test = nodeOf(node, "test");
    const left = leaving(nodeOf(node, "consequent"));
    if (!test) return;
    if (left) {
      this.#add(test, "false", scope);
      if (mayAccept(left)) this.#add(test, "true", scope);
    } else if (!(isLogical(test) && test.operator === "&&")) this.#add(test, "true", scope);
  }

  #bothWays(node: Node | undefined, scope: string): void {
    if (!isComparison(node)) return;
    this.#add(node, "true", scope);
    this.#add(node, "false", scope);
  }

  #clamp(node: Node, scope: string): void {
    const { arguments: args } = node;
    const callee = nodeOf(node, "callee");
    const clamps = callee && /^Math\.(min|max)$/.test(this.#source.slice(callee.start, callee.end));
    if (!clamps || !Array.isArray(args) || args.length !== 2) return;
    for (const each of args.filter(isNode)) {
      this.#add(node, this.#source.slice(each.start, each.end), scope);
    }
  }

  #point(node: Node, parent: Node, scope: string): void {
    if (node.type === "IfStatement") this.#if(node, scope);
    else if (isLogical(node)) {
      if (!isLogical(parent) || parent.operator !== node.operator) this.#operands(node, scope);
    } else if (node.type === "ConditionalExpression") {
      const test = nodeOf(node, "test");
      if (test) this.#add(test, "true", scope);
      if (test) this.#add(test, "false", scope);
    } else if (node.type === "CallExpression") {
      this.#clamp(node, scope);
      for (const each of Array.isArray(node.arguments) ? node.arguments : []) {
        this.#bothWays(each, scope);
      }
    } else if (node.type === "ReturnStatement") this.#bothWays(nodeOf(node, "argument"), scope);
    else if (node.type === "ArrowFunctionExpression") this.#bothWays(nodeOf(node, "body"), scope);
    else if (node.type === "VariableDeclarator") this.#bothWays(nodeOf(node, "init"), scope);
    else if (node.type === "AssignmentExpression") this.#bothWays(nodeOf(node, "right"), scope);
    if (/^(For|While|DoWhile|ForOf|ForIn)Statement$/.test(node.type)) {
      const test = nodeOf(node, "test");
      if (isComparison(test)) this.#add(test, "true", scope);
      const body = nodeOf(node, "body");
      const block = body?.type === "BlockStatement";
      if (body) this.loops.push({ start: body.start, end: body.end, block });
    }
  }

  /** @param scope the function around it; outside of all nothing is looked for */
  walk(node: Node, parent: Node, scope: string): void {
    if (node.type.startsWith("TS") && !WRAPS.includes(node.type)) return;
    // What our own code promises is no validation.
    const callee = nodeOf(node, "callee");
    if (node.type === "CallExpression" && callee?.name === "assert") return;
    let inside = scope;
    if (FUNCTIONS.test(node.type)) {
      const name = nodeOf(node, "id")?.name ?? nodeOf(node, "key")?.name ?? named(parent);
      if (name !== undefined) inside = String(name);
      else if (inside === "") inside = "=>";
    } else if (parent.type === "VariableDeclarator" && inside === "") {
      // A function that is made by another has the constant's name.
      for (const child of nodesOf(node)) this.walk(child, parent, inside);
      return;
    }
    if (inside !== "") this.#point(node, parent, inside);
    for (const child of nodesOf(node)) this.walk(child, node, inside);
  }
}

function named(parent: Node): unknown {
  return parent.type === "VariableDeclarator" ? nodeOf(parent, "id")?.name : undefined;
}

/** Finds the validations of a file. */
export function findPoints(file: string, source: string): Found {
  const tree = parse(source, { sourceType: "module", plugins: ["typescript"] });
  const root = tree.program as unknown as Node;
  const finder = new Finder(file, source);
  finder.walk(root, root, "");
  return { points: finder.points, loops: finder.loops };
}

/**
 * The source with every point in it, to be taken away when `$v` of its number says so; loops count.
 * @param first number of the first point; 0 is none
 */
export function instrument(source: string, { points, loops }: Found, first: number): string {
  const marks: { at: number; rank: number; text: string }[] = [];
  points.forEach(({ start, end, to }, i) => {
    // Of those that begin or end together the longer one is outside; of equals the later one.
    const opens = `($v(${first + i})?(${to}):(`;
    marks.push({ at: start, rank: 1e6 - (end - start) - i / 1e4, text: opens });
    marks.push({ at: end, rank: end - start - 1e6 + i / 1e4, text: "))" });
  });
  for (const { start, end, block } of loops) {
    marks.push({ at: block ? start + 1 : start, rank: -2e6, text: block ? "$v(0);" : "{$v(0);" });
    if (!block) marks.push({ at: end, rank: 2e6, text: "}" });
  }
  marks.sort((a, b) => a.at - b.at || a.rank - b.rank);
  let from = 0;
  let text = "";
  for (const mark of marks) {
    text += source.slice(from, mark.at) + mark.text;
    from = mark.at;
  }
  return text + source.slice(from);
}
