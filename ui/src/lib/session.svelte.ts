// Who sits here, and what they may do.
import { Problem, get, onLost, post, setWord } from './api';
import { type Proof, type Questioned, shown } from './passkeys';
import type { Me, Permission, Ways, Words } from './types';

class Session {
  /** `asking` until it is known; `out` when nobody is logged in; `lost` when a session ended meanwhile. */
  state = $state<'asking' | 'out' | 'in' | 'lost' | 'away'>('asking');
  me = $state<Me | null>(null);
  words = $state<Words>({ columns: [], functions: [] });
  login = $derived(this.me?.user.login ?? '');

  may(permission: Permission): boolean {
    return this.me?.permissions.includes(permission) ?? false;
  }

  async begin(): Promise<void> {
    onLost(() => {
      if (this.state === 'in') this.state = 'lost';
    });
    try {
      await this.enter(await get<Me>('/me'));
    } catch (error) {
      this.state = error instanceof Problem && error.status === 401 ? 'out' : 'away';
    }
  }

  /** The ways to log in that this floor has. */
  ways(): Promise<Ways> {
    return get<Ways>('/login');
  }

  async logIn(login: string, password: string, more: { code?: string; passkey?: Proof } = {}): Promise<void> {
    await this.enter(await post<Me>('/login', { login, password, ...more }));
  }

  /** By a passkey alone. */
  async byPasskey(): Promise<void> {
    const proof = await shown(await post<Questioned>('/login/passkey/begin'));
    await this.enter(await post<Me>('/login/passkey', proof));
  }

  /** By the token that Cloudflare Access adds to each request. */
  async byAccess(): Promise<void> {
    await this.enter(await post<Me>('/login/access'));
  }

  /** Where one can log out at the identity provider as well, after logging out here. */
  farewell = $state('');

  async logOut(): Promise<void> {
    this.farewell = (await post<{ url: string } | undefined>('/logout'))?.url ?? '';
    this.me = null;
    this.state = 'out';
  }

  private async enter(me: Me): Promise<void> {
    setWord(me.csrf ?? '');
    this.farewell = '';
    this.me = me;
    if (!this.words.columns.length) {
      this.words = await get<Words>('/words').catch(() => ({ columns: [], functions: [] }));
    }
    this.state = 'in';
  }
}

export const session = new Session();
