// Indicators out of pasted text: a report, a list, a mail. Defanged ones are read as they were meant.
import { spelled } from './filter';
import type { Entity, EntityKind } from './types';

const refang = (text: string) =>
  text.replace(/hxxp/gi, 'http').replace(/\[(\.|:|@)\]|\((\.)\)/g, '$1$2').replace(/\[dot\]/gi, '.').replace(/\[at\]/gi, '@');

/** What a single word is, by its look. */
export function kindOfWord(word: string): EntityKind | null {
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(word)) return word.split('.').every((n) => Number(n) < 256) ? 'address' : null;
  if (/^[\da-f]*:[\da-f:]*:[\da-f:.]*$/i.test(word) && word.length > 4) return 'address';
  if (/^([\da-f]{32}|[\da-f]{40}|[\da-f]{64})$/i.test(word)) return 'hash';
  if (/^https?:\/\/\S+$/i.test(word)) return 'url';
  if (/^[\w.+-]+@[\w-]+(\.[\w-]+)+$/.test(word)) return 'email';
  if (/^([a-z\d](-?[a-z\d_])*\.)+[a-z]{2,}$/i.test(word)) return 'domain';
  return null;
}

export function indicators(text: string): Entity[] {
  const found = new Map<string, Entity>();
  for (const raw of text.split(/[\s,;"'<>|]+/)) {
    const word = refang(raw).replace(/[.)]+$/, '').replace(/^\(/, '');
    const kind = word && kindOfWord(word);
    if (kind) found.set(`${kind}:${word}`, { kind, value: word });
  }
  return [...found.values()];
}

/** A filter for events that name any of them. */
export function filterFor(entities: Entity[]): string {
  const kinds = [...new Set(entities.map((e) => e.kind))];
  const parts = kinds.map((kind) => {
    const values = entities.filter((e) => e.kind === kind).map((e) => spelled(e.value));
    const names = kind === 'domain' ? ['domain', 'host', 'query_hostname'] : [kind];
    return names.map((name) => `${name}:(${values.join(', ')})`).join(' or ');
  });
  return parts.join(' or ');
}
