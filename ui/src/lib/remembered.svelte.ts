// Searches of this browser: those that were made, and those that were given a name.

export interface Remembered {
  name: string;
  address: string;
  at: number;
}
function read(key: string): Remembered[] {
  try {
    const list = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(list) ? list.filter((r) => typeof r?.address === 'string' && r.address.startsWith('/hunt')) : [];
  } catch {
    return [];
  }
}
const MADE = 'watchfloor.history';
const NAMED = 'watchfloor.saved';

class Searches {
  made = $state.raw<Remembered[]>(read(MADE));
  named = $state.raw<Remembered[]>(read(NAMED));

  add(name: string, address: string): void {
    if (this.made[0]?.address === address) return;
    this.made = [{ name, address, at: Date.now() }, ...this.made.filter((r) => r.address !== address)].slice(0, 60);
    localStorage.setItem(MADE, JSON.stringify(this.made));
  }
  name(name: string, address: string): void {
    this.named = [{ name, address, at: Date.now() }, ...this.named.filter((r) => r.name !== name)];
    localStorage.setItem(NAMED, JSON.stringify(this.named));
  }
  forget(name: string): void {
    this.named = this.named.filter((r) => r.name !== name);
    localStorage.setItem(NAMED, JSON.stringify(this.named));
  }
}

export const searches = new Searches();
