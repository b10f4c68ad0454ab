// Short words on what came of something.
import { sentence } from './api';

export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action?: { name: string; run: () => void };
}

class Toasts {
  all = $state<Toast[]>([]);
  private serial = 0;

  say(text: string, action?: Toast['action'], bad = false): void {
    const id = (this.serial += 1);
    this.all.push({ id, text, bad, action });
    if (this.all.length > 4) this.all.shift();
    setTimeout(() => this.drop(id), bad ? 12_000 : 6_000);
  }

  wrong(error: unknown, what = ''): void {
    this.say(what ? `${what}: ${sentence(error)}` : sentence(error), undefined, true);
  }

  drop(id: number): void {
    this.all = this.all.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
