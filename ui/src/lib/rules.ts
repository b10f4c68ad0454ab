// Rules that people write: what the API says of them, drafts that survive a reload, and what one begins with.
import type { Finding, Level, Rule } from './types';

export interface RuleText {
  rule: Rule;
  text: string;
  version: number;
  /** Correlations that find nothing by it while it is off. */
  counted_by: { id: string; title: string }[];
}
export interface RuleProblem {
  code: string;
  severity: 'error' | 'warning';
  message: string;
  line: number;
  column: number;
  width: number;
}
export interface Checked {
  problems: RuleProblem[];
  rules: { id: string; title: string; level: Level; correlation: boolean; stands_in: string | null; saved_here: boolean }[];
}
export interface Saved extends RuleText {
  loaded: number;
}
export interface Tried {
  since: string;
  until: string;
  events: number;
  looked_at: number;
  stopped: { at: string; why: string } | null;
  seconds: number;
  nanoseconds_each: number;
  rules: {
    id: string; title: string; level: Level; correlation: boolean; speaks: boolean; matched: number; first: string | null;
    last: string | null; evaluated: number; given_up: number; dear_nanoseconds_each: number;
  }[];
  findings: Finding[];
  left_out: number;
}

/** What was typed and not saved, and the version that it was made of; 0 is of no rule. */
export interface Draft {
  text: string;
  version: number;
}
const place = (id: string) => `watchfloor.draft.rule.${id}`;

export const drafts = {
  get(id: string): Draft | null {
    try {
      const draft = JSON.parse(localStorage.getItem(place(id)) ?? 'null');
      return typeof draft?.text === 'string' && typeof draft.version === 'number' ? draft : null;
    } catch {
      return null;
    }
  },
  keep(id: string, draft: Draft): void {
    localStorage.setItem(place(id), JSON.stringify(draft));
  },
  drop(id: string): void {
    localStorage.removeItem(place(id));
  },
};

function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const head = (title: string, author: string) => `title: ${title}
id: ${uuid()}
status: experimental
description: |
    Why it matters, and what to do about it.
author: ${JSON.stringify(author)}
date: ${new Date().toISOString().slice(0, 10)}
tags:
    - attack.credential_access
`;

/** What a rule begins with. */
export const TEMPLATES: [string, (author: string) => string][] = [
  ['A rule on events', (author) => `${head('What happened, in a few words', author)}logsource:
    product: linux
    service: sshd
detection:
    selection:
        message|contains: Failed password
    condition: selection
falsepositives:
    - What commonly sets it off without harm
level: medium
`],
  ['A rule that counts another', (author) => `${head('It happened often', author)}correlation:
    type: event_count
    rules:
        - the name or the id of a rule
    group-by:
        - user
    timespan: 10m
    condition:
        gte: 10
falsepositives:
    - What commonly sets it off without harm
level: high
`],
];
