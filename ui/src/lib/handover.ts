// An incident as Markdown, to hand over: to a chat, a ticket, the next shift.
import { iso, ms } from './time';
import type { AlertRow, Comment, IncidentRow, Task } from './types';

/** Text of senders in a line of Markdown: nothing of it is markup, and nothing can be pressed. */
export function inert(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, ' ')
    .replace(/([\\`*_{}[\]<>()#+!|~-])/g, '\\$1')
    .replace(/\bhttp(s?):/gi, 'hxxp$1:');
}

export function handover(row: IncidentRow, alerts: AlertRow[], tasks: Task[], comments: Comment[]): string {
  const { told } = row;
  const at = (text: string) => iso(ms(text)).replace('T', ' ').replace(/(\.\d+)?Z/, '');
  const lines = [
    `# Incident ${row.number}: ${inert(row.title ?? told.title)}`,
    '',
    `${row.level}, ${row.status.replace('_', ' ')}, ${row.owner ? `with ${inert(row.owner)}` : 'with nobody'}; risk ${row.risk} of 100; ${at(row.first_time)} to ${at(row.last_time)} UTC.`,
    '',
    inert(told.summary),
    '',
    `Why one incident: ${inert(told.reason)}`,
    '',
    '## What happened (UTC)',
    '',
    ...[...alerts]
      .sort((a, b) => ms(a.alert.first_time) - ms(b.alert.first_time))
      .map((a) => `- ${at(a.alert.first_time)} **${a.level}** ${inert(a.alert.rule_title)}${a.alert.entity ? ` (${a.alert.entity.kind} ${inert(a.alert.entity.value)})` : ''}${a.alert.count > 1 ? `, ${a.alert.count} times` : ''}`),
    '',
    '## Who and what',
    '',
    ...told.entities.slice(0, 30).map((e) => `- ${e.kind}: ${inert(e.value)}`),
    '',
    `ATT&CK: ${told.techniques.join(', ') || 'none named'}`,
    '',
    '## To do',
    '',
    ...tasks.map((t) => `- [${t.done_at ? 'x' : ' '}] ${inert(t.title)}${t.assignee ? ` (${inert(t.assignee)})` : ''}`),
    ...told.next_steps.map((step) => `- advised: ${inert(step)}`),
  ];
  if (comments.length) {
    lines.push('', '## Notes', '');
    for (const c of comments) lines.push(`${inert(c.author)}, ${at(c.created_at)}:`, '', ...c.body.split('\n').map((l) => `> ${l}`), '');
  }
  return `${lines.join('\n')}\n`;
}
