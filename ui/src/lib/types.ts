// What the API says, as its description (`/api/v1/openapi.json`) tells it. Times are RFC 3339 in UTC.

export type Level = 'informational' | 'low' | 'medium' | 'high' | 'critical';
export const LEVELS: Level[] = ['critical', 'high', 'medium', 'low', 'informational'];
export type EntityKind =
  | 'host' | 'user' | 'address' | 'domain' | 'hash' | 'resource' | 'url' | 'email' | 'process' | 'file';
export const KINDS: EntityKind[] = [
  'host', 'user', 'address', 'domain', 'hash', 'resource', 'url', 'email', 'process', 'file',
];
export interface Entity { kind: EntityKind; value: string }
export type Permission =
  | 'read' | 'hunt' | 'decide' | 'deliver' | 'content' | 'senders' | 'users' | 'audit';
export type Role = 'viewer' | 'analyst' | 'responder' | 'engineer' | 'admin';
export const ROLES: Role[] = ['viewer', 'analyst', 'responder', 'engineer', 'admin'];

export interface Page<T> { items: T[]; next: string | null }

export interface User {
  user_id: string; login: string; name: string; email: string | null; role: Role; disabled: boolean;
  has_password: boolean; created_at: string; version: number;
}
export interface Session {
  session_id: string; user_id: string; factors: string[]; address: string | null; agent: string;
  created_at: string; seen_at: string; expires_at: string;
}
export interface Me { user: User; permissions: Permission[]; session?: Session; csrf?: string }
export interface ApiToken {
  token_id: string; name: string; scopes: string[]; created_at: string; expires_at: string | null;
  used_at: string | null; revoked_at: string | null;
}

export type Resolution = 'true_positive' | 'false_positive' | 'benign' | 'duplicate';
export type AlertState = 'new' | 'in_progress' | 'closed';
export interface AlertStatus { state: AlertState; resolution?: Resolution }
export interface RiskPart { name: string; points: number; why: string }
export interface Alert {
  alert_id: string; rule_id: string; rule_title: string; description: string; entity: Entity | null;
  entities: Entity[]; level: Level; count: number; first_time: string; last_time: string;
  finding_ids: string[]; tactics: string[]; techniques: string[]; source: string; risk: number;
  risk_parts: RiskPart[]; reason: string;
}
export interface Closed { at: string; by: string; level: Level; count: number }
export interface AlertRow {
  alert: Alert; status: AlertStatus; owner: string | null; severity: Level | null; level: Level;
  incident_id: string | null; pinned: boolean; closed: Closed | null; suppressed: boolean;
  version: number; revision: number; created_at: string; changed_at: string;
}
export interface Facets {
  total: number; states: [AlertState, number][]; levels: [Level, number][];
  rules: { rule_id: string; title: string; count: number }[]; owners: [string | null, number][];
}
export interface Finding {
  finding_id: string; kind: string; rule_id: string; rule_title: string; description: string; level: Level;
  time: string; event_uids: string[]; entities: Entity[]; techniques: string[];
  matched_fields: { field: string; value: string; pattern?: string }[];
  window: { start: string; end: string; group: [string, string][]; count: number } | null; source: string;
}
export interface Comment {
  comment_id: string; author: string; body: string; created_at: string; edited_at: string | null;
}

export type IncidentStatus = 'new' | 'in_progress' | 'contained' | 'resolved' | 'closed';
export const INCIDENT_STATUSES: IncidentStatus[] = ['new', 'in_progress', 'contained', 'resolved', 'closed'];
export interface Incident {
  title: string; summary: string; severity: Level; risk: number; risk_parts: RiskPart[]; alert_ids: string[];
  finding_count: number; entities: Entity[]; tactics: string[]; techniques: string[]; sources: string[];
  reason: string; next_steps: string[];
}
export interface IncidentRow {
  incident_id: string; number: number; by_hand: boolean; told: Incident; title: string | null;
  status: IncidentStatus; owner: string | null; severity: Level | null; level: Level; risk: number;
  alert_count: number; first_time: string; last_time: string; merged_into: string | null;
  closed: Closed | null; version: number; revision: number; created_at: string; changed_at: string;
}
export interface Task {
  task_id: string; incident_id: string; title: string; assignee: string | null; due: string | null;
  done_at: string | null; done_by: string | null; version: number;
}
export interface Merge { merge_id: string; source: string; target: string; by: string; by_machine: boolean; undone_at: string | null }

export interface Trouble { part: string; since: string; times: number; message: string }
export interface Status {
  version: string; started_at: string; now: string; well: boolean; troubles: Trouble[]; deliveries: number;
  refused: number; events: number; events_per_second: number; findings: number; rules: number;
  rules_shut_off: { rule_id: string; title: string }[]; rules_off: RuleOff[]; content_problems: string[]; log_bytes: number;
  sockets: { kind: string; address: string; open: number; messages: number; bytes: number; turned_away: number; refused: number; over_limit: number; dropped: number; flaws: number }[];
  fetchers: Fetcher[];
  lake: { commits: number; waiting_events: number; failure: string | null };
  ledger: string;
}
export interface Fetcher {
  name: string; kind: string; deliveries: number; bytes: number; bytes_per_second: number; behind: number;
  last_seen: string | null; troubles: string[]; last_error: { at: string; message: string } | null;
}
export interface SourceHealth {
  sender: string; definition: string; events: number; bytes: number; flaws: number; unrecognised: number;
  lag: number; first_seen: string; last_seen: string; last_event: string | null;
}
export interface Sender {
  sender_id: string; name: string; kind: string; networks: string[]; client_name: string | null; definition: string | null;
  tags: string[]; rate_limit: number | null; silent_after: number | null; enabled: boolean;
  created_at: string; version: number; fetcher?: Fetcher;
}

export interface Rule {
  id: string; name: string | null; title: string; description: string; version: string; level: Level;
  path: string; replaces: string | null; saved_here: boolean; status: string | null;
  logsource: { product: string | null; category: string | null; service: string | null } | null;
  tags: string[]; tactics: string[]; techniques: string[]; false_positives: string[]; correlation: boolean;
  speaks: boolean; cost: { evaluated: number; matched: number; given_up: number; share: number };
  shut_off: { rule_id: string; since?: string; why?: string } | null;
  off: RuleOff | null;
}
/** A rule that a person switched off. */
export interface RuleOff { rule_id: string; title: string; since: string; by: string; reason: string }
export interface Hunt {
  name: string; title: string; explanation: string; techniques: string[];
  parameters: { name: string; about: string; default: string | null }[]; sql: string;
}
export interface Search {
  search_id: string; name: string; address: string; shared: boolean; owner: string; created_at: string;
  changed_at: string; version: number;
}
export interface ColumnWord { name: string; path: string; kind: string; pivot: boolean; entity?: EntityKind }
export interface Words { columns: ColumnWord[]; functions: { call: string; about: string }[]; techniques?: { id: string; name: string }[] }
export interface Entry {
  sequence: number; at: string; actor: { kind?: string; name: string; address?: string | null };
  action: string; kind: string; id: string; before: unknown; after: unknown; hash: string;
}
export interface Change { kind: string; id: string; version: number }
export type Row = Record<string, unknown>;

/** Ways to log in. */
export interface Ways {
  password: boolean;
  /** What the identity provider is called, where there is one. */
  openid: string | null;
  cloudflare_access: boolean;
  passkey: boolean;
}
export interface Passkey {
  passkey_id: string;
  name: string;
  backed_up: boolean;
  created_at: string;
  used_at: string | null;
}
