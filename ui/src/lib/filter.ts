// The filter language: `user:anna not class:"DNS Activity" (ip:10.0.0.0/8 or cmd:*mimikatz*) "any words"`.
// It is read to a tree, and the tree is written as SQL.
import { quoted } from './api';
import type { ColumnWord, EntityKind } from './types';

export type Op = ':' | '=' | '!=' | '>' | '<' | '>=' | '<=' | '~';
export interface Term {
  kind: 'term';
  /** None for words that may stand anywhere in the record. */
  field: string | null;
  op: Op;
  /** Any of these. */
  values: { text: string; quoted: boolean }[];
  start: number;
  end: number;
}
export type Node = Term | { kind: 'and' | 'or'; parts: Node[] } | { kind: 'not'; part: Node };
/** A part of the filter that holds by itself: it can be taken away. */
export interface Chip {
  text: string;
  not: boolean;
  start: number;
  end: number;
}

export class FilterError extends Error {
  constructor(
    message: string,
    readonly start: number,
    readonly end: number,
  ) {
    super(message);
  }
}

const FIELD = /[A-Za-z_][\w.[\]-]*(?=(:|=|!=|>=|<=|>|<|~))/y;
const OP = /:|!=|>=|<=|=|>|<|~/y;
const WORD = /[^\s()"]+/y;
const ITEM = /[^\s(),"]+/y;

class Reader {
  private at = 0;
  chips: Chip[] = [];
  constructor(private readonly text: string) {}

  read(): Node | null {
    this.space();
    if (this.at >= this.text.length) return null;
    const node = this.or(true);
    this.space();
    if (this.at < this.text.length) throw new FilterError('this bracket closes nothing', this.at, this.at + 1);
    return node;
  }

  private space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at += 1;
  }

  /** Takes a word such as `or` when it comes next. */
  private keyword(word: string): boolean {
    this.space();
    const next = this.text.slice(this.at, this.at + word.length + 1);
    if (next.slice(0, word.length).toLowerCase() !== word || !/^[\s("]?$/.test(next.slice(word.length))) return false;
    this.at += word.length;
    return true;
  }

  private or(top: boolean): Node {
    const before = this.chips.length;
    const parts = [this.and(top)];
    while (this.keyword('or')) parts.push(this.and(false));
    if (parts.length === 1) return parts[0] as Node;
    this.chips.length = before;
    return { kind: 'or', parts };
  }

  private and(top: boolean): Node {
    const parts: Node[] = [];
    for (;;) {
      this.space();
      const rest = this.text.slice(this.at);
      if (!rest || rest[0] === ')' || /^or(?:[\s("]|$)/i.test(rest)) break;
      if (this.keyword('and')) continue;
      const start = this.at;
      const node = this.unary();
      parts.push(node);
      if (top) {
        const text = this.text.slice(start, this.at);
        this.chips.push({ text, not: node.kind === 'not', start, end: this.at });
      }
    }
    if (!parts.length) throw new FilterError('something is missing here', this.at, this.at + 1);
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'and', parts };
  }

  private unary(): Node {
    this.space();
    if (this.keyword('not')) return { kind: 'not', part: this.unary() };
    const next = this.text[this.at];
    if ((next === '-' || next === '!') && /[\w("]/.test(this.text[this.at + 1] ?? '')) {
      this.at += 1;
      return { kind: 'not', part: this.unary() };
    }
    if (next === '(') {
      const opened = this.at;
      this.at += 1;
      const node = this.or(false);
      this.space();
      if (this.text[this.at] !== ')') throw new FilterError('this bracket is not closed', opened, opened + 1);
      this.at += 1;
      return node;
    }
    return this.term();
  }

  private match(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0] ?? null;
    if (found) this.at += found.length;
    return found;
  }

  private term(): Term {
    const start = this.at;
    const field = this.match(FIELD);
    if (!field) {
      const value = this.value(WORD);
      return { kind: 'term', field: null, op: ':', values: [value], start, end: this.at };
    }
    const op = (this.match(OP) ?? ':') as Op;
    const values: Term['values'] = [];
    if (this.text[this.at] === '(') {
      const opened = this.at;
      this.at += 1;
      for (;;) {
        this.space();
        if (this.text[this.at] === ',' || this.keyword('or')) {
          if (this.text[this.at] === ',') this.at += 1;
          continue;
        }
        if (this.at >= this.text.length) throw new FilterError('this bracket is not closed', opened, opened + 1);
        if (this.text[this.at] === ')') break;
        values.push(this.value(ITEM));
      }
      this.at += 1;
      if (!values.length) throw new FilterError('name a value between the brackets', opened, this.at);
    } else {
      values.push(this.value(WORD, field));
    }
    return { kind: 'term', field, op, values, start, end: this.at };
  }

  private value(pattern: RegExp, field?: string): { text: string; quoted: boolean } {
    if (this.text[this.at] !== '"') {
      const word = this.match(pattern);
      if (word) return { text: word, quoted: false };
      const message = field ? `${field} of what? Write a value behind it` : 'a value is missing here';
      throw new FilterError(message, this.at, this.at + 1);
    }
    const opened = this.at;
    let text = '';
    for (this.at += 1; this.at < this.text.length; this.at += 1) {
      const c = this.text[this.at];
      if (c === '"') {
        this.at += 1;
        return { text, quoted: true };
      }
      if (c === '\\' && /["\\]/.test(this.text[this.at + 1] ?? '')) this.at += 1;
      text += this.text[this.at];
    }
    throw new FilterError('this quotation mark is not closed', opened, this.text.length);
  }
}

export function readFilter(text: string): { tree: Node | null; chips: Chip[] } {
  const reader = new Reader(text);
  const tree = reader.read();
  return { tree, chips: reader.chips };
}

/** Short names of columns, beside the kinds of entities, which name all columns of their kind. */
export const SHORT: Record<string, string[]> = {
  class: ['class_name'],
  activity: ['activity_name'],
  source: ['definition'],
  product: ['logsource_product'],
  service: ['logsource_service'],
  category: ['logsource_category'],
  cmd: ['process_cmd_line', 'actor_process_cmd_line'],
  agent: ['http_request_user_agent'],
  port: ['dst_endpoint_port', 'src_endpoint_port'],
  src: ['src_endpoint_ip'],
  dst: ['dst_endpoint_ip'],
  id: ['event_uid'],
  words: ['raw_data', 'native'],
};
const ALSO: Record<string, EntityKind> = { ip: 'address', sha256: 'hash', md5: 'hash', mail: 'email' };
/** Columns of events that OCSF does not describe. */
export const OWN = [
  'event_uid', 'definition', 'parser', 'logsource_product', 'logsource_category', 'logsource_service',
  'parcel_digest', 'raw_data', 'native', 'ocsf_extra',
];
const NUMBERS = new Set(['parcel_offset', 'parcel_index', 'definition_version']);

interface Columns {
  names: string[];
  kind: string;
  entity?: EntityKind;
  folded: boolean;
}

/** The columns that a field means; none when nothing is called so. */
export function columnsOf(field: string, words: ColumnWord[]): Columns | null {
  const name = field.toLowerCase();
  const kind = (ALSO[name] ?? name) as EntityKind;
  const exact = words.find((w) => w.name === name || w.path.toLowerCase() === name);
  if (exact) return { names: [exact.name], kind: exact.kind, entity: exact.entity, folded: false };
  const short = SHORT[name];
  if (short) return { names: short, kind: name === 'port' ? 'number' : 'text', folded: true };
  const own = OWN.includes(name) ? 'text' : NUMBERS.has(name) ? 'number' : null;
  if (own) return { names: [name], kind: own, folded: false };
  const names = words.filter((w) => w.entity === kind && w.kind === 'text').map((w) => w.name);
  return names.length ? { names, kind: 'text', entity: kind, folded: true } : null;
}

const like = (text: string) =>
  quoted(text.replace(/[\\%_]/g, (c) => `\\${c}`).replaceAll('*', '%').replaceAll('?', '_'));

function native(field: string): string {
  const keys = field.slice('native.'.length).split('.').filter(Boolean);
  return `json_as_text(native, ${keys.map(quoted).join(', ')})`;
}

function one(column: string, about: Columns, term: Term, value: Term['values'][number]): string {
  const { op } = term;
  const { text } = value;
  if (text === '*' && !value.quoted && op !== '~') return `${column} IS NOT NULL`;
  if (about.kind === 'number') {
    if (!/^-?\d+(\.\d+)?$/.test(text)) throw new FilterError(`${term.field} is a number`, term.start, term.end);
    return `${column} ${op === ':' || op === '!=' ? '=' : op === '~' ? '=' : op} ${text}`;
  }
  if (about.kind === 'boolean') return `${column} = ${/^(true|yes|1)$/i.test(text)}`;
  if (op === '~') return `regexp_like(${column}, ${quoted(text)}, 'i')`;
  if (op === '>' || op === '<' || op === '>=' || op === '<=') return `${column} ${op} ${quoted(text)}`;
  if (about.entity === 'address' && /^[\da-f.:]+\/\d+$/i.test(text)) return `cidr_match(${column}, ${quoted(text)})`;
  if (!value.quoted && /[*?]/.test(text)) return `${column} ILIKE ${like(text)}`;
  if (about.entity === 'address' || about.entity === 'hash') {
    const spellings = [...new Set([text, text.toLowerCase(), text.toUpperCase()])];
    return `${column} IN (${spellings.map(quoted).join(', ')})`;
  }
  if (about.folded && op === ':' && !column.startsWith('event_')) return `lower(${column}) = ${quoted(text.toLowerCase())}`;
  return `${column} = ${quoted(text)}`;
}

function term(node: Term, words: ColumnWord[]): string {
  const { field } = node;
  if (field === null) {
    const text = node.values[0]?.text ?? '';
    const pattern = like(/[*?]/.test(text) && !node.values[0]?.quoted ? `*${text}*` : `*${text.replace(/[*?]/g, '_')}*`);
    return `(raw_data ILIKE ${pattern} OR native ILIKE ${pattern})`;
  }
  const about: Columns | null = field.toLowerCase().startsWith('native.')
    ? { names: [native(field)], kind: 'text', folded: true }
    : columnsOf(field, words);
  if (!about) {
    const alike = suggest(field, words)[0];
    const message = `there is no field ${field}${alike ? `; is ${alike.name} meant?` : ''}`;
    throw new FilterError(message, node.start, node.start + field.length);
  }
  const any = about.names.flatMap((column) => node.values.map((value) => one(column, about, node, value)));
  const sql = any.length === 1 ? (any[0] as string) : `(${any.join(' OR ')})`;
  return node.op === '!=' ? `(${sql}) IS NOT TRUE` : sql;
}

/** The condition, as SQL; none when everything is meant. */
export function condition(tree: Node | null, words: ColumnWord[]): string | null {
  if (!tree) return null;
  switch (tree.kind) {
    case 'term':
      return term(tree, words);
    case 'not':
      return `(${condition(tree.part, words)}) IS NOT TRUE`;
    default:
      return `(${tree.parts.map((part) => condition(part, words)).join(tree.kind === 'and' ? ' AND ' : ' OR ')})`;
  }
}

/** A value as the language writes it. */
export function spelled(value: string): string {
  return /^[\w.@/+-]+$/.test(value) && !/^(and|or|not)$/i.test(value) && !value.startsWith('-')
    ? value
    : `"${value.replace(/["\\]/g, (c) => `\\${c}`)}"`;
}

export type How = 'include' | 'exclude' | 'only';

/** The filter with a value included, excluded, or alone. */
export function narrowed(text: string, field: string | null, value: string, how: How): string {
  const said = field ? `${field}:${spelled(value)}` : `"${value.replace(/["\\]/g, (c) => `\\${c}`)}"`;
  const added = how === 'exclude' ? `not ${said}` : said;
  const before = text.trim();
  if (how === 'only' || !before) return added;
  const opposite = how === 'exclude' ? said : `not ${said}`;
  try {
    const { tree, chips } = readFilter(before);
    if (chips.some((chip) => chip.text === added)) return before;
    const turned = chips.find((chip) => chip.text === opposite);
    if (turned) return `${before.slice(0, turned.start)}${added}${before.slice(turned.end)}`;
    return tree?.kind === 'or' ? `(${before}) ${added}` : `${before} ${added}`;
  } catch {
    return added;
  }
}

/** The filter without one of its parts. */
export function without(text: string, chip: Chip): string {
  const rest = `${text.slice(0, chip.start).trim()} ${text.slice(chip.end).trim()}`.trim();
  return rest.replace(/^and\s+/i, '').replace(/\s+and$/i, '').replace(/\band\s+and\b/gi, 'and');
}

/** Fields that somebody might mean, the likeliest first. */
export function suggest(typed: string, words: ColumnWord[]): { name: string; about: string }[] {
  const start = typed.toLowerCase().replaceAll('.', '_');
  const kinds = [...new Set(words.flatMap((w) => w.entity ?? []))];
  const fields = [
    ...kinds.map((kind) => ({ name: kind as string, about: `any ${kind}` })),
    ...Object.entries(SHORT).map(([name, columns]) => ({ name, about: columns.join(', ') })),
    ...words.map((w) => ({ name: w.name, about: w.kind === 'text' ? '' : w.kind })),
    ...OWN.map((name) => ({ name, about: '' })),
  ];
  const rank = (name: string) => (name.startsWith(start) ? 0 : name.includes(`_${start}`) ? 1 : name.includes(start) ? 2 : 9);
  return fields
    .map((field) => ({ ...field, rank: rank(field.name) }))
    .filter((field) => field.rank < 9)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 9);
}
