// The editor for rules, fetched when it is first needed.
import { yaml } from '@codemirror/lang-yaml';
import { indentUnit } from '@codemirror/language';
import { make, type Editor } from './editing';

export type { Editor };

export function edit(host: HTMLElement, text: string, run: () => void, changed: (text: string) => void): Editor {
  const language = [yaml(), indentUnit.of('    ')];
  return make(host, text, 'The rule in YAML', language, changed, [{ key: 'Mod-Enter', run: () => (run(), true) }]);
}
