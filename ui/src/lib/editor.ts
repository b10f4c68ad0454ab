// The editor for SQL, fetched when it is first needed.
import { autocompletion, completionKeymap, type CompletionContext } from '@codemirror/autocomplete';
import { sql, StandardSQL } from '@codemirror/lang-sql';
import { placeholder } from '@codemirror/view';
import { make, type Editor as Any } from './editing';
import { OWN } from './filter';
import type { Words } from './types';

const TABLES = ['events', 'findings', 'alerts', 'incidents', 'matches', 'parcels', 'flaws', 'unrecognised', 'runs'];

function words(told: Words) {
  const options = [
    ...TABLES.map((label) => ({ label, type: 'class', detail: 'table' })),
    ...told.columns.map((c) => ({ label: c.name, type: 'property', detail: c.kind, boost: c.pivot ? 2 : 0 })),
    ...OWN.map((label) => ({ label, type: 'property' })),
    ...told.functions.map((f) => ({ label: f.call.split('(')[0] ?? '', type: 'function', detail: f.call, info: f.about })),
  ];
  return (context: CompletionContext) => {
    const word = context.matchBefore(/[A-Za-z_]\w*$/);
    if (!word && !context.explicit) return null;
    return { from: word?.from ?? context.pos, options, validFor: /^\w*$/ };
  };
}

export interface Editor extends Any {
  /** Shows where a mistake is; what is typed then takes the mark away. */
  mistake: (at: { line: number; column: number; length: number } | null) => void;
}

export function edit(host: HTMLElement, text: string, told: Words, run: () => void, changed: (text: string) => void): Editor {
  let marked = false;
  const language = [
    sql({ dialect: StandardSQL, upperCaseKeywords: true }),
    StandardSQL.language.data.of({ autocomplete: words(told) }),
    autocompletion({ icons: false }),
    placeholder('SELECT …'),
  ];
  const typed = (now: string) => {
    // The editor is in the middle of an update.
    if (marked) queueMicrotask(() => mistake(null));
    changed(now);
  };
  const editor = make(host, text, 'SQL', language, typed, [{ key: 'Mod-Enter', run: () => (run(), true) }], [...completionKeymap]);
  const mistake: Editor['mistake'] = (at) => {
    marked = !!at;
    editor.mark(at ? [at] : []);
  };
  return { ...editor, mistake };
}
